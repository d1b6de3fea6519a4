"""Scoring: from architectures to scores in HDF5 shards.

On this floor: what a proxy may ask of a candidate, and the backend that computes it.
"""
