"""What analyses of the space need of its structure: shapes, replaced operations, random walks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace
from trainfree.spaces.walks import Replacements, Walks

BY_COST = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "none")
"""Operations, the most expensive one first; each is replaced by those after it."""


def depth_and_width(space: CellSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the length of the longest path and the largest directed cut of every cell.

    Edges that carry ``none`` or are on no path from input to output do not count; without a path
    both are 0. A directed cut divides the nodes so that no edge leads back.
    """
    shapes: dict[tuple[tuple[int, int], ...], tuple[int, int]] = {}
    found = []
    for index in range(len(space)):
        names = space.operation_names(index)
        edges = tuple(edge for edge, name in zip(EDGES, names, strict=True) if name != "none")
        if edges not in shapes:
            shapes[edges] = _shape(edges)
        found.append(shapes[edges])
    depth, width = np.array(found, dtype=np.int64).T
    return depth, width


def replacements(space: CellSpace) -> Replacements:
    """Return every pair of architectures of which one has another operation on one edge."""
    digits = np.array(list(space))
    known = [space.operations.index(name) for name in BY_COST if name in space.operations]
    kinds = list(combinations(known, 2))
    before, after, which = [], [], []
    for kind, (old, new) in enumerate(kinds):
        for edge, place in enumerate(space.place_values):
            chosen = np.flatnonzero(digits[:, edge] == old)
            before.append(chosen)
            after.append(chosen + (new - old) * place)
            which.append(np.full(len(chosen), kind))
    names = tuple((space.operations[old], space.operations[new]) for old, new in kinds)
    return Replacements(names, np.concatenate(which), np.concatenate(before), np.concatenate(after))


def random_walks(space: CellSpace, walks: int, steps: int, rng: np.random.Generator) -> Walks:
    """Walk through the architectures; a step replaces the operation of one edge."""
    places, base = np.array(space.place_values), len(space.operations)
    index = rng.integers(len(space), size=walks)
    start = index // places[:, None] % base
    visited = np.empty((walks, steps), dtype=np.int32)
    distance = np.empty((walks, steps), dtype=np.uint8)
    for step in range(steps):
        if step > 0:
            place = places[rng.integers(space.edges, size=walks)]
            old = index // place % base
            new = (old + rng.integers(1, base, size=walks)) % base
            index = index + (new - old) * place
        visited[:, step] = index
        distance[:, step] = (index // places[:, None] % base != start).sum(axis=0)
    return Walks(visited, distance)


def distances_to(space: CellSpace, target: int) -> NDArray[np.int64]:
    """Return the number of edges in which every architecture differs from one."""
    digits = np.array(list(space))
    differs: NDArray[np.int64] = (digits != digits[target]).sum(axis=1)
    return differs


def _shape(edges: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    fed, feeding = {0}, {NODES - 1}
    for target, source in edges:
        if source in fed:
            fed.add(target)
    for target, source in sorted(edges, reverse=True):
        if target in feeding:
            feeding.add(source)
    live = [(target, source) for target, source in edges if source in fed and target in feeding]
    if NODES - 1 not in fed:
        return 0, 0
    length = [0] * NODES
    for target, source in live:
        length[target] = max(length[target], length[source] + 1)
    return length[-1], max(_cut(live, subset) for subset in range(1 << (NODES - 2)))


def _cut(edges: list[tuple[int, int]], subset: int) -> int:
    near = 1 | subset << 1  # the nodes on the input's side
    if any(near >> target & 1 and not near >> source & 1 for target, source in edges):
        return 0
    return sum(near >> source & 1 and not near >> target & 1 for target, source in edges)
