"""The search algorithms: one class in one file each.

A file here that assigns ALGORITHM is found by its name.
"""
