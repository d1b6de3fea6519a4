"""Cells of DARTS: genotypes, the space, lists of trained ones, and their networks."""
