"""The quantities of any torch module, one file a kind, each by passes of its own.

This is what they mean; the engine computes the same from networks as data, faster.
"""
