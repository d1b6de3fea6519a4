"""Scoring: from architectures to scores in HDF5 shards."""
