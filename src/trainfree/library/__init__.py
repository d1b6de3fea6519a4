"""What ``import trainfree`` offers, a file a concept: scoring any network, spaces, results.

Everything here calls the other rooms and returns tables, tensors and data sets. Torch, pandas and
xarray are imported inside functions, so that none is paid for before it is needed.
"""
