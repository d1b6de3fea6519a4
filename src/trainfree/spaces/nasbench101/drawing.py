"""Drawing how a cell is written with 7 vertices: the published mutation begins with that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import PAIRS, code_operations, live_vertices
from trainfree.spaces.nasbench101.specification import MOST_VERTICES, OPERATIONS

INTERIOR = MOST_VERTICES - 2
_TRIALS = 64


def drawn_encoding(
    vertices: int, bits: int, code: int, rng: np.random.Generator
) -> tuple[int, NDArray[np.int64]]:
    """Write a cell with 7 vertices; returns bits and interior operations.

    Drawn uniformly from the encodings that keep the order of the cell's vertices, by trying:
    vertices that take no part are anywhere and have any edges that keep them so.
    """
    own = [(x, y) for k, (x, y) in enumerate(PAIRS) if bits >> k & 1]
    everywhere = np.arange(_TRIALS)
    while True:
        places = np.zeros((_TRIALS, vertices), dtype=np.int64)
        drawn = rng.permuted(np.tile(np.arange(INTERIOR), (_TRIALS, 1)), axis=1)
        places[:, 1:-1] = np.sort(drawn[:, : vertices - 2], axis=1) + 1
        places[:, -1] = MOST_VERTICES - 1
        digits = rng.integers(len(OPERATIONS), size=(_TRIALS, INTERIOR))
        digits[everywhere[:, None], places[:, 1:-1] - 1] = code_operations(vertices, code)
        live = (1 << places).sum(axis=1)
        graph = rng.integers(1 << len(PAIRS), size=_TRIALS)
        for number, (x, y) in enumerate(PAIRS):  # edges between the cell's vertices are its own
            graph &= ~((live >> x & live >> y & 1) << number)
        for x, y in own:
            source, target = places[:, x], places[:, y]
            graph |= 1 << (source + target * (target - 1) // 2)
        fitting = np.flatnonzero(live_vertices(graph, MOST_VERTICES) == live)
        if fitting.size:
            return int(graph[fitting[0]]), digits[fitting[0]]
