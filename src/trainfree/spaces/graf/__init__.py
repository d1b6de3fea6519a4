"""GRAF: what a cell's graph looks like, as numbers that a learner predicts accuracy from.

Source: Kadlecová et al., "Surprisingly Strong Performance Prediction with Neural Graph Features",
ICML 2024, section 3, and its code. For every set O of operations: the length of the shortest path
from input to output through O alone, that of the longest, how many edges of O leave the input and
reach the output, and how many a node has on average; and how often each operation occurs.

* :mod:`~trainfree.spaces.graf.paths`: paths through many cells at once.
* :mod:`~trainfree.spaces.graf.on_edges`: cells whose operations are edges (NAS-Bench-201, DARTS).
* :mod:`~trainfree.spaces.graf.on_vertices`: cells whose operations are vertices (NAS-Bench-101).
* :mod:`~trainfree.spaces.graf.features`: the features of architectures of a space.
"""
