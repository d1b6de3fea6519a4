"""What analyses of the space need of its structure: shapes, replaced operations, random walks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import (
    PAIRS,
    Bits,
    Codes,
    edge_bit,
    operation_digits,
    possible_edges,
)
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import MOST_VERTICES, OPERATIONS
from trainfree.spaces.walks import Replacements, Walks

_INTERIOR = MOST_VERTICES - 2


def depth_and_width(space: GraphCellSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the length of the longest path and the largest directed cut of every cell.

    A directed cut divides the vertices so that no edge leads back; its size is the number of
    edges that lead across (Ying et al., ICML 2019).
    """
    vertices, bits, _ = space.cells
    depth, width = np.zeros_like(bits), np.zeros_like(bits)
    for size in np.unique(vertices).tolist():
        rows = vertices == size
        depth[rows] = _longest_path(bits[rows], size)
        width[rows] = _largest_cut(bits[rows], size)
    return depth, width


def replacements(space: GraphCellSpace) -> Replacements:
    """Return every pair of cells of which one has another operation at one vertex."""
    vertices, bits, codes = space.cells
    kinds = list(combinations(range(len(OPERATIONS)), 2))
    before, after, which = [], [], []
    for size in np.unique(vertices).tolist():
        rows = np.flatnonzero(vertices == size)
        digits = operation_digits(size)[codes[rows]]
        for kind, (old, new) in enumerate(kinds):
            for vertex in range(size - 2):
                chosen = rows[digits[:, vertex] == old]
                step = (new - old) * len(OPERATIONS) ** (size - 3 - vertex)
                before.append(chosen)
                after.append(space.pruned_indices(size, bits[chosen], codes[chosen] + step))
                which.append(np.full(len(chosen), kind))
    names = tuple((OPERATIONS[old], OPERATIONS[new]) for old, new in kinds)
    return Replacements(names, np.concatenate(which), np.concatenate(before), np.concatenate(after))


def random_walks(space: GraphCellSpace, walks: int, steps: int, rng: np.random.Generator) -> Walks:
    """Walk through the cells written with 7 vertices, one change at a time.

    A step flips one of the 21 possible edges or replaces one of the 5 operations, all with equal
    chance among those that lead to a cell of the space; changes of what is pruned count too. The
    walks start from encodings drawn uniformly.
    """
    bits, codes, index = _random_encodings(space, walks, rng)
    start = bits.copy(), operation_digits(MOST_VERTICES)[codes]
    visited = np.empty((walks, steps), dtype=np.int32)
    distance = np.empty((walks, steps), dtype=np.uint8)
    for step in range(steps):
        if step > 0:
            bits, codes, index = _one_change(space, bits, codes, rng)
        visited[:, step] = index
        replaced = operation_digits(MOST_VERTICES)[codes] != start[1]
        distance[:, step] = np.bitwise_count(bits ^ start[0]) + replaced.sum(axis=1)
    return Walks(visited, distance)


def _longest_path(bits: Bits, vertices: int) -> NDArray[np.int64]:
    length = [np.zeros_like(bits)]
    for y in range(1, vertices):
        reached = [np.where(bits >> edge_bit(x, y) & 1, length[x] + 1, 0) for x in range(y)]
        length.append(np.max(reached, axis=0))
    return length[-1]


def _largest_cut(bits: Bits, vertices: int) -> NDArray[np.int64]:
    largest = np.zeros_like(bits)
    pairs = PAIRS[: possible_edges(vertices)]
    for subset in range(1 << (vertices - 2)):
        near = 1 | subset << 1  # the vertices on the input's side
        across = sum(
            1 << k for k, (x, y) in enumerate(pairs) if near >> x & 1 and not near >> y & 1
        )
        back = sum(1 << k for k, (x, y) in enumerate(pairs) if near >> y & 1 and not near >> x & 1)
        size = np.bitwise_count(bits & across).astype(np.int64)
        largest = np.maximum(largest, np.where(bits & back == 0, size, 0))
    return largest


def _random_encodings(
    space: GraphCellSpace, count: int, rng: np.random.Generator
) -> tuple[Bits, Codes, NDArray[np.int64]]:
    bits, codes, index = (np.full(count, -1, dtype=np.int64) for _ in range(3))
    while (missing := np.flatnonzero(index < 0)).size:
        bits[missing] = rng.integers(1 << len(PAIRS), size=missing.size)
        codes[missing] = rng.integers(len(OPERATIONS) ** _INTERIOR, size=missing.size)
        index[missing] = space.indices(bits[missing], codes[missing])
    return bits, codes, index


def _one_change(
    space: GraphCellSpace, bits: Bits, codes: Codes, rng: np.random.Generator
) -> tuple[Bits, Codes, NDArray[np.int64]]:
    new_bits, new_codes, index = bits.copy(), codes.copy(), np.full(len(bits), -1, dtype=np.int64)
    places = len(OPERATIONS) ** np.arange(_INTERIOR)
    while (missing := np.flatnonzero(index < 0)).size:
        place = rng.integers(len(PAIRS) + _INTERIOR, size=missing.size)
        turn = rng.integers(1, len(OPERATIONS), size=missing.size)
        is_edge = place < len(PAIRS)
        flipped = bits[missing] ^ np.where(is_edge, 1 << np.minimum(place, len(PAIRS) - 1), 0)
        weight = places[np.maximum(place - len(PAIRS), 0)]
        old = codes[missing] // weight % len(OPERATIONS)
        new = (old + turn) % len(OPERATIONS)
        replaced = codes[missing] + np.where(is_edge, 0, (new - old) * weight)
        new_bits[missing], new_codes[missing] = flipped, replaced
        index[missing] = space.indices(flipped, replaced)
    return new_bits, new_codes, index
