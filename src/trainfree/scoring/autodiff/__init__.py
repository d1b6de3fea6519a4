"""Networks as data, forwards with every value kept, and backwards through them.

What needs gradients is built on these two passes.
"""
