"""One look for all figures: colours, axes, labels, captions, and deterministic files.

It knows of no data.
"""
