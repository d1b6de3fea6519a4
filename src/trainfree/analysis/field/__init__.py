"""The tables by which papers compare proxies, from several seeds of one space.

Their numbers are in ``reports/published/field``; each stands beside the measured one.
"""
