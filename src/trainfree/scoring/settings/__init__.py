"""What decides a score: settings, their names, and the plans of the studies.

Needs no torch, so that the workflow can read it.
"""
