"""The HTML page: one file with every table and figure of a run.

What it shows, in which section, and what it leaves out and why.
"""
