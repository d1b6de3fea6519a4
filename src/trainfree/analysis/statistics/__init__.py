"""Correlations, intervals and tests: pure functions of arrays.

Nothing here knows of files or of tables.
"""
