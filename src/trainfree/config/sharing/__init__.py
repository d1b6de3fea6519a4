"""Sections about search by shared weights, one file a kind of super-network."""
