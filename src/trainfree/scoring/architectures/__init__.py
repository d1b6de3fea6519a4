"""One architecture of a space: for the engine a network as data, or the torch module that it is.

The two ways (``networks``, ``modules``) have the same functions.
"""
