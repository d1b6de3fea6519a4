"""Running and watching any torch module, and what may be handed in as one.

What counts is found by what a module executes.
"""
