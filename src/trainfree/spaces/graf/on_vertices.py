"""Features of cells whose operations are vertices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.graf.on_edges import Features
from trainfree.spaces.graf.paths import Edges, longest, shortest, subsets

Codes = NDArray[np.int8]
"""(cells, vertices): the place of a vertex's operation in a list of names."""
ENDS, ABSENT = -1, -2
"""Input or output; a vertex that the cell does not have."""


def vertex_features(edges: Edges, codes: Codes, operations: Sequence[str]) -> Features:
    """Return the features of cells; the first vertex is the input, the last one the output.

    Returns
    -------
    dict
        By name. Where no path leads through the operations alone, the shortest one is as long as
        the cell has vertices and the longest has -1.
    """
    output = codes.shape[1] - 1
    vertices = (codes != ABSENT).sum(axis=1)
    found: Features = {
        f"count of {name}": (codes == code).sum(axis=1).astype(np.float64)
        for code, name in enumerate(operations)
    }
    for names in subsets(operations):
        chosen = np.isin(codes, [operations.index(name) for name in names])
        usable = chosen | (codes == ENDS)
        passable = edges & usable[:, :, None] & usable[:, None, :]
        short, long = shortest(passable, 0, output), longest(passable, 0, output)
        before, behind = (edges & chosen[:, :, None]), (edges & chosen[:, None, :])
        of = f"of {'+'.join(names)}"
        found |= {
            f"shortest path {of}": np.where(short < 0, vertices, short),
            f"vertices on longest path {of}": np.where(long < 0, -1, long - 1),
            f"before output {of}": before[:, :, output].sum(axis=1),
            f"behind input {of}": behind[:, 0].sum(axis=1),
            f"mean before a vertex {of}": before.sum(axis=(1, 2)) / vertices,
            f"mean behind a vertex {of}": behind.sum(axis=(1, 2)) / vertices,
        }
    return {name: values.astype(np.float64) for name, values in found.items()}
