"""Shortest and longest paths in many directed acyclic graphs at once.

Vertices are in topological order: an edge leads from a lower to a higher number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.bool_]
"""(graphs, vertices, vertices): whether an edge leads from the first vertex to the second."""
Lengths = NDArray[np.int64]
"""(graphs,)."""
_NONE = np.int64(2**40)


def shortest(edges: Edges, source: int, sink: int) -> Lengths:
    """Return the fewest edges on a path from ``source`` to ``sink``; -1 where there is none."""
    lengths = _reached(edges, source, sink, longest=False)
    return np.where(lengths >= _NONE, -1, lengths)


def longest(edges: Edges, source: int, sink: int) -> Lengths:
    """Return the most edges on a path from ``source`` to ``sink``; -1 where there is none."""
    return np.maximum(_reached(edges, source, sink, longest=True), -1)


def _reached(edges: Edges, source: int, sink: int, *, longest: bool) -> Lengths:
    """Go through the vertices in order; the length of a vertex is known when its edges are read."""
    none = -_NONE if longest else _NONE
    best = np.full(edges.shape[:2], none)
    best[:, source] = 0
    for vertex in range(source + 1, sink + 1):
        before = np.where(edges[:, :vertex, vertex], best[:, :vertex] + 1, none)
        best[:, vertex] = before.max(axis=1) if longest else before.min(axis=1)
    return best[:, sink]


def subsets(operations: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield all sets of operations but the empty one, small ones first."""
    sizes = range(1, len(operations) + 1)
    return chain.from_iterable(combinations(operations, size) for size in sizes)
