"""Proxies that add up weights times gradients, and the like.

One file a proxy.
"""
