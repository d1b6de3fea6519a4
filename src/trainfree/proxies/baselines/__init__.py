"""Baselines: sizes, costs and chance.

One file a proxy.
"""
