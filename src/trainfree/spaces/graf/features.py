"""The features of architectures of a space, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trainfree.errors import ConfigError
from trainfree.spaces.darts.genotype import NODES, NONE, OPERATIONS, Cell
from trainfree.spaces.darts.space import DartsSpace, TrainedCells
from trainfree.spaces.graf import on_edges, on_vertices
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201.space import EDGES, CellSpace
from trainfree.spaces.nasbench201.space import NODES as TOPOLOGY_NODES


def graf_features(space: object, indices: Sequence[int]) -> pd.DataFrame:
    """Return GRAF of some architectures.

    Parameters
    ----------
    space
        NAS-Bench-201's, NAS-Bench-101's, or one of DARTS cells.
    indices
        Architectures.

    Returns
    -------
    pandas.DataFrame
        A row for each, a column for each feature: 191 for NAS-Bench-201.

    Raises
    ------
    ConfigError
        When there are no features for the space.
    ArchitectureError
        When the space has no such architecture.
    """
    for kind, features in _OF_SPACES.items():
        if isinstance(space, kind):
            return pd.DataFrame(features(space, indices), index=pd.Index(indices, name="arch"))
    raise ConfigError(
        f"no GRAF features for {getattr(space, 'name', type(space).__name__)}: they are defined "
        "for nasbench201, nasbench101 and spaces of DARTS cells"
    )


def _of_topologies(space: CellSpace, indices: Sequence[int]) -> on_edges.Features:
    digits = np.array([space.digits(index) for index in indices], dtype=np.int8)
    codes = np.full((len(indices), TOPOLOGY_NODES, TOPOLOGY_NODES), on_edges.NO_EDGE, np.int8)
    for place, (target, source) in enumerate(EDGES):
        codes[:, source, target] = digits[:, place]
    return on_edges.counts(codes, space.operations) | on_edges.degrees_and_paths(
        codes,
        space.operations,
        inputs=[0],
        output=TOPOLOGY_NODES - 1,
        with_shortest=True,
        with_output=True,
    )


def _of_graphs(space: GraphCellSpace, indices: Sequence[int]) -> on_edges.Features:
    cells = [space.specification(index).require_valid() for index in indices]
    most = max(len(names) for _, names in cells)
    codes = np.full((len(cells), most), on_vertices.ABSENT, np.int8)
    edges = np.zeros((len(cells), most, most), np.bool_)
    for row, (matrix, names) in enumerate(cells):
        # Input first and output last, whatever the number of vertices between.
        places = [*range(len(names) - 1), most - 1]
        edges[row][np.ix_(places, places)] = matrix
        codes[row, places] = [
            on_vertices.ENDS,
            *(space.operations.index(name) for name in names[1:-1]),
            on_vertices.ENDS,
        ]
    return on_vertices.vertex_features(edges, codes, space.operations)


def _of_genotypes(space: DartsSpace | TrainedCells, indices: Sequence[int]) -> on_edges.Features:
    genotypes = [space.genotype(index) for index in indices]
    found: on_edges.Features = {}
    for kind in ("normal", "reduce"):
        codes = np.array([_codes(getattr(genotype, kind)) for genotype in genotypes])
        features = on_edges.counts(codes, _DARTS) | on_edges.degrees_and_paths(
            codes,
            _DARTS,
            inputs=[0, 1],
            output=codes.shape[1] - 1,
            with_shortest=False,
            with_output=False,
        )
        found |= {f"{kind}: {name}": values for name, values in features.items()}
    return found


_DARTS = (*OPERATIONS, NONE)


def _codes(cell: Cell) -> on_edges.Codes:
    """Return a cell of DARTS: states in their order, then its output.

    As in the published code, a state that a node reads twice counts once, with the second
    operation.
    """
    codes = np.full((NODES + 3, NODES + 3), on_edges.NO_EDGE, np.int8)
    for node, edges in enumerate(cell.nodes()):
        for name, state in edges:
            codes[state, node + 2] = _DARTS.index(name)
    codes[list(cell.concat), NODES + 2] = on_edges.TO_OUTPUT
    return codes


_OF_SPACES: dict[type, Callable[[Any, Sequence[int]], on_edges.Features]] = {
    CellSpace: _of_topologies,
    GraphCellSpace: _of_graphs,
    DartsSpace: _of_genotypes,
    TrainedCells: _of_genotypes,
}
