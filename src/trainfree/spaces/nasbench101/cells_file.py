"""The file of all cells with their hashes, for whoever needs the order of the published table."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.provenance import code_hash
from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.graph_hash import hash_of_neighbours
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.storage import provenance_attributes, write_dataset

Neighbours = list[list[int]]


def write_cells(output: Path) -> dict[int, int]:
    """Write all cells in index order with their hashes; about a minute of hashing.

    Returns
    -------
    dict
        Number of cells by number of vertices.

    Raises
    ------
    DataFileError
        When the file cannot be written.
    """
    space = GraphCellSpace.published()
    vertices, bits, codes = space.cells
    hashes = cell_hashes(space)
    columns: dict[str, tuple[NDArray[np.generic], str]] = {
        "vertices": (vertices.astype(np.uint8), "number of vertices"),
        "graph_bits": (bits.astype(np.int32), "edges: from x to y > x is bit x + y(y - 1)/2"),
        "operation_code": (
            codes.astype(np.int16),
            "interior operations as base-3 digits, first vertex first",
        ),
        "hash": (hashes, "bytes of the published hash"),
        "official_index": (
            places_by_hash(hashes).astype(np.int32),
            "place in the order of the published hashes",
        ),
    }
    variables = {}
    for name, (column, meaning) in columns.items():
        dims = ("arch", "hash_byte") if column.ndim == 2 else ("arch",)
        variables[name] = xr.Variable(dims, column, {"units": "1", "long_name": meaning})
        variables[name].encoding.update(zlib=True, complevel=4, shuffle=True)
    attributes = provenance_attributes(
        settings={"space": space.name},
        code=code_hash("trainfree.spaces.nasbench101.cells_file"),
        source_hashes={},
    )
    write_dataset(xr.Dataset(variables, attrs={**attributes, "space": space.name}), output, "cells")
    sizes, counts = np.unique(vertices, return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


def cell_hashes(
    space: GraphCellSpace, first: int = 0, last: int | None = None
) -> NDArray[np.uint8]:
    """Return the published hash of each cell from ``first`` to before ``last``, (cells, 16)."""
    vertices, bits, codes = (column[first:last].tolist() for column in space.cells)
    digests = b"".join(
        bytes.fromhex(hash_of_neighbours(*_neighbours(size, graph), [-1, *_labels(size, code), -2]))
        for size, graph, code in zip(vertices, bits, codes, strict=True)
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


def places_by_hash(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the place of each hash when they are sorted."""
    order = np.lexsort(hashes.T[::-1])
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


@cache
def _neighbours(vertices: int, bits: int) -> tuple[Neighbours, Neighbours]:
    matrix = bits_matrix(vertices, bits)
    return (
        [np.flatnonzero(row).tolist() for row in matrix],
        [np.flatnonzero(column).tolist() for column in matrix.T],
    )


@cache
def _labels(vertices: int, code: int) -> list[int]:
    return operation_digits(vertices)[code].tolist()  # type: ignore[no-any-return]
