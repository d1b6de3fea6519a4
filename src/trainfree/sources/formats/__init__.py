"""Formats of files from outside: archives, arrays, tables and pickles, read within limits.

The usual wrong file is named; nothing is ever executed.
"""
