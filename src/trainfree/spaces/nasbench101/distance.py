"""Edit distance between cells.

One edit flips the presence of an edge or replaces an operation (Ying et al., ICML 2019).
Isomorphic cells have distance 0, so the distance is the smallest over all ways to match the
vertices of one cell with those of the other. Cells of fewer than 7 vertices are filled up with
vertices that have no edge; whatever operation such a vertex has costs nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import (
    PAIRS,
    Bits,
    matrix_bits,
    operation_digits,
    possible_edges,
    relabellings,
)
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import MOST_VERTICES, OPERATIONS, ModelSpec

_UNUSED = -1
_INTERIOR = MOST_VERTICES - 2


def distances_to(space: GraphCellSpace, target: ModelSpec) -> NDArray[np.int64]:
    """Return the edit distance of every cell of the space to one cell, (cells,).

    Raises
    ------
    ArchitectureError
        When that cell breaks a rule of the search space.
    """
    vertices, bits, codes = space.cells
    result = np.zeros(len(space), dtype=np.int64)
    for size in np.unique(vertices).tolist():
        rows = vertices == size
        labels = np.full((np.count_nonzero(rows), _INTERIOR), _UNUSED)
        labels[:, : size - 2] = operation_digits(size)[codes[rows]]
        result[rows] = _distances(_wide(bits[rows], size), labels, target)
    return result


def _distances(edges: Bits, labels: NDArray[np.int64], target: ModelSpec) -> NDArray[np.int64]:
    """Return the distance of each of many cells to the target."""
    matrix, ops = target.require_valid()
    other = np.full(_INTERIOR, _UNUSED)
    other[: len(ops) - 2] = [OPERATIONS.index(name) for name in ops[1:-1]]
    least = np.full(len(edges), np.iinfo(np.int64).max)
    for order in relabellings(MOST_VERTICES):
        moved = _wide(np.array([matrix_bits(matrix)]), len(ops), order)
        cost = np.bitwise_count(edges ^ moved).astype(np.int64)
        for vertex, label in enumerate(other.tolist()):
            if label != _UNUSED:
                here = labels[:, order[vertex + 1] - 1]
                cost += (here != label) & (here != _UNUSED)
        np.minimum(least, cost, out=least)
    return least


def _wide(bits: Bits, vertices: int, order: NDArray[np.int64] | None = None) -> Bits:
    """Return one bit for each entry of the 7 × 7 adjacency matrix, vertices renumbered."""
    new = np.arange(MOST_VERTICES) if order is None else order
    result = np.zeros_like(bits)
    for number, (x, y) in enumerate(PAIRS[: possible_edges(vertices)]):
        target = MOST_VERTICES - 1 if y == vertices - 1 else y
        place = int(new[x]) * MOST_VERTICES + int(new[target])
        result |= (bits >> number & 1) << place
    return result
