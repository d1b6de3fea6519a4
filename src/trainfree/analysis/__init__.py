"""Tables from data files: correlations, search results, clocks and the summary.

Nothing here computes a score or looks up an architecture; every number of a table is read from a
scores, search or benchmark file, or is a statistic of such numbers.
"""
