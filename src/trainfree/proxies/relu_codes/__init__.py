"""Proxies of the binary codes of ReLUs.

One file a proxy.
"""
