"""Features of cells whose operations are edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.graf.paths import longest, shortest, subsets

Codes = NDArray[np.int8]
"""(cells, nodes, nodes): the place of an edge's operation in a list of names, NO_EDGE for none."""
NO_EDGE, TO_OUTPUT = -1, -2
"""No edge; an edge without operation into the output, which every set of operations has."""
Features = dict[str, NDArray[np.float64]]


def counts(codes: Codes, operations: Sequence[str]) -> Features:
    """Return how often each operation occurs."""
    return {
        f"count of {name}": (codes == code).sum(axis=(1, 2)).astype(np.float64)
        for code, name in enumerate(operations)
    }


def degrees_and_paths(
    codes: Codes,
    operations: Sequence[str],
    inputs: Sequence[int],
    output: int,
    *,
    with_shortest: bool,
    with_output: bool,
) -> Features:
    """Return the features that there are once for every set of operations.

    Parameters
    ----------
    inputs, output
        Nodes at which paths begin and end.
    with_shortest, with_output
        Leave out shortest paths, and edges that reach the output.

    Returns
    -------
    dict
        By name. Where there is no path, the shortest one is as long as a cell has edges; the
        longest has -1.
    """
    found: Features = {}
    nodes = codes.shape[1]
    edges = (codes >= 0).sum(axis=(1, 2))
    for names in subsets(operations):
        wanted = [operations.index(name) for name in names]
        chosen = np.isin(codes, wanted)
        passable = chosen | (codes == TO_OUTPUT)
        free = (passable & ~chosen).any(axis=(1, 2)).astype(np.int64)
        of = f"of {'+'.join(names)}"
        for place, node in enumerate(inputs):
            at = "" if len(inputs) == 1 else f" {place}"
            if with_shortest:
                short = shortest(passable, node, output)
                found[f"shortest path{at} {of}"] = np.where(short < 0, edges, short)
            long = longest(passable, node, output)
            found[f"longest path{at} {of}"] = np.where(long < 0, -1, long - free)
            found[f"edges from input{at} {of}"] = chosen[:, node].sum(axis=1)
        if with_output:
            found[f"edges to output {of}"] = chosen[:, :, output].sum(axis=1)
        mean = chosen.sum(axis=(1, 2)) / nodes
        # Edges into a node are as many as out of one; the published features have both.
        found |= {f"mean edges out of a node {of}": mean, f"mean edges into a node {of}": mean}
    return {name: values.astype(np.float64) for name, values in found.items()}
