"""Proxies of gradients by image, by class or by parameter.

One file a proxy.
"""
