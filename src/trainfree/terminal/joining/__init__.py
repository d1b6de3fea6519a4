"""Joining the results of one run that several machines made."""
