"""The fast forward pass on the CPU: a plan of few passes over memory, and compiled code for each.

It computes what torch computes; tests hold it to that.
"""
