"""Proxies of feature maps and of what blocks do to them.

One file a proxy.
"""
