"""All graphs and all cells of the space, each once, by exact isomorphism.

The published enumeration goes through every labelled graph and keeps the first one of each hash.
Here graphs come first: a graph without labels is represented by the smallest bits among its
relabellings, and labels on it that an automorphism maps onto each other are one cell, represented
by the smallest code. Those are the first ones in the published order too, so the representatives
are the same; no hash is needed to find them, which makes the published hash something to test.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import (
    Bits,
    Codes,
    edge_count,
    live_vertices,
    operation_digits,
    possible_edges,
    relabel,
    relabellings,
)
from trainfree.spaces.nasbench101.specification import MOST_EDGES, MOST_VERTICES, OPERATIONS

SIZES = range(2, MOST_VERTICES + 1)


@dataclass(frozen=True)
class Graphs:
    """Graphs of one number of vertices in which every vertex is on a path, at most 9 edges.

    Attributes
    ----------
    vertices
        Number of vertices, n.
    representatives
        The smallest bits of each class of isomorphic graphs, ascending, (classes,).
    class_of
        Class of the graph with given bits, (2^(n(n−1)/2),); −1 where the bits are no such graph.
    order_of
        The relabelling (a row of :func:`relabellings`) that takes the graph to its
        representative, likewise.
    first_code
        Smallest operation code among those that automorphisms of the representative make of a
        code, (classes, 3^(n−2)).
    """

    vertices: int
    representatives: Bits
    class_of: NDArray[np.int32]
    order_of: NDArray[np.uint8]
    first_code: NDArray[np.int16]

    def cells(self) -> tuple[Bits, Codes]:
        """Return bits and operation code of each cell, in the order of the enumeration."""
        codes = np.arange(self.first_code.shape[1])
        graph, code = np.nonzero(self.first_code == codes)
        return self.representatives[graph], code.astype(np.int64)


@cache
def graphs(vertices: int) -> Graphs:
    """Return the graphs with 2 to 7 vertices; some seconds for 7, kept for the next caller."""
    bits = np.arange(1 << possible_edges(vertices), dtype=np.int64)
    bits = bits[edge_count(bits) <= MOST_EDGES]
    bits = bits[live_vertices(bits, vertices) == (1 << vertices) - 1]
    smallest, order = bits.copy(), np.zeros(len(bits), dtype=np.uint8)
    for number, new in enumerate(relabellings(vertices).tolist()):
        candidate = relabel(bits, new)
        better = (candidate >= 0) & (candidate < smallest)
        smallest[better], order[better] = candidate[better], number
    representatives, classes = np.unique(smallest, return_inverse=True)
    class_of = np.full(1 << possible_edges(vertices), -1, dtype=np.int32)
    order_of = np.zeros(len(class_of), dtype=np.uint8)
    class_of[bits], order_of[bits] = classes, order
    return Graphs(
        vertices, representatives, class_of, order_of, _first_codes(representatives, vertices)
    )


def _first_codes(representatives: Bits, vertices: int) -> NDArray[np.int16]:
    codes = len(OPERATIONS) ** (vertices - 2)
    first = np.tile(np.arange(codes, dtype=np.int16), (len(representatives), 1))
    for order, moved in zip(relabellings(vertices).tolist(), moved_codes(vertices), strict=True):
        symmetric = np.flatnonzero(relabel(representatives, order) == representatives)
        first[symmetric] = np.minimum(first[symmetric], moved.astype(np.int16))
    return first


@cache
def moved_codes(vertices: int) -> NDArray[np.int64]:
    """Return the operation code after each relabelling, (orders, 3^(vertices − 2))."""
    digits = operation_digits(vertices)
    moved = np.zeros((len(relabellings(vertices)), len(digits)), dtype=np.int64)
    for number, order in enumerate(relabellings(vertices)):
        for vertex in range(vertices - 2):
            place = vertices - 2 - order[vertex + 1]
            moved[number] += digits[:, vertex] * len(OPERATIONS) ** place
    moved.flags.writeable = False  # one copy for all callers
    return moved
