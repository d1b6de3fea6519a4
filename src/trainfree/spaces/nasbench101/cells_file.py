"""The file of all cells with their hashes, for whoever needs the order of the published table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.spaces.nasbench101.cell_hashes import cell_hashes, places_by_hash
from trainfree.spaces.nasbench101.space import GraphCellSpace


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
    hashes = cell_hashes(*space.cells)
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
