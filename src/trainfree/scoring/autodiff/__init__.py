"""The forward pass of a network as data, and the backward passes through what it kept.

What needs gradients is built on them.
"""
