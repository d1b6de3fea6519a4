"""What ``import trainfree`` offers: scoring any network, spaces, batches, results; a file a concept.

Everything here calls the other rooms and returns tables, tensors and data sets. Torch, pandas and
xarray are imported inside functions, so that none is paid for before it is needed.
"""
