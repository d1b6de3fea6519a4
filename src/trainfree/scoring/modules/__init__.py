"""Every quantity of any torch module, found by what the module executes.

This is what the quantities mean; the engine computes the same from networks as data, faster.
"""
