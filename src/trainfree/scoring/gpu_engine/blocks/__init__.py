"""Blocks of a network: told apart, planned once for all that are equal, and placed in memory."""
