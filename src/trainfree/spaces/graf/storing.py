"""Features of scored architectures, and parts of their space, as a file for rooms of data alone."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.provenance import code_hash
from trainfree.spaces import load_space
from trainfree.spaces.graf.features import graf_features
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.nasbench201.subsets import SUBSETS
from trainfree.spaces.protocol import NamedSubsets

LOG = logging.getLogger(__name__)
_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}


def store_features(scores: Path, output: Path) -> xr.Dataset:
    """Write the features of the architectures of a scores file, and return them.

    Parameters
    ----------
    scores
        Scores file; its space and its architectures decide.
    output
        The file of kind "features" to write. Of a space for which there are no features it holds
        none, and its attribute ``missing`` says why.

    Raises
    ------
    DataFileError
        When the scores file is missing or damaged, or the other one cannot be written.
    UnknownNameError, ArchitectureError
        When there is no such space, or it has no such architecture.
    """
    scored = read_dataset(scores, "scores")
    space = load_space(str(scored.attrs["space"]))
    indices, missing = scored["arch"].to_numpy(), ""
    try:
        table = graf_features(space, indices.tolist())
    except ConfigError as error:
        LOG.warning("%s", error)
        table, missing = pd.DataFrame(index=indices), str(error)
    parts = _parts(space, indices)
    found = xr.Dataset(
        {
            "feature": xr.Variable(
                ("arch", "name"),
                table.to_numpy(dtype=np.float64),
                {"units": "1", "long_name": "GRAF: lengths of paths, degrees and counts"},
            ),
            "in_subset": xr.Variable(
                ("arch", "subset"),
                np.array(list(parts.values()), dtype=np.bool_).reshape(len(parts), len(indices)).T,
                {"units": "1", "long_name": "whether the architecture is in that part"},
            ),
        },
        coords={
            "arch": indices,
            "architecture": ("arch", scored["architecture"].to_numpy().astype(object)),
            "name": np.array(list(table.columns), dtype=object),
            "subset": np.array(list(parts), dtype=object),
        },
        attrs={
            **provenance_attributes(
                settings={"space": space.name, "scores": str(scored.attrs["config_hash"])},
                code=code_hash(__name__),
                source_hashes={"scores": str(scored.attrs["config_hash"])},
            ),
            **{"space": space.name, "missing": missing},
        },
    )
    found["feature"].encoding.update(_COMPRESSED if table.size else {})
    write_dataset(found, output, "features")
    return found


def _parts(space: object, indices: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Return (arch,) which architectures are in each part of the space that has a name."""
    found: dict[str, NDArray[np.bool_]] = {}
    if isinstance(space, NamedSubsets):
        found |= {name: member[indices] for name, member in space.subsets().items()}
    if isinstance(space, CellSpace):
        cells = [space.operation_names(index) for index in indices.tolist()]
        found |= {name: np.array([*map(is_in, cells)]) for name, is_in in SUBSETS.items()}
    return found
