"""Scores of any origin on one board: the suite's own in one small file, measures, paired tests.

The file is part of the package, so that a list of scores can be ranked without a run.
"""
