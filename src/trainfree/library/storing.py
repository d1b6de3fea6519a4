"""Keeping a table of scores as a data file of the suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.files.storage import write_dataset

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KIND = "module_scores"


def write_scores(table: pd.DataFrame, path: Path) -> None:
    """Write what :func:`trainfree.score` returns as netCDF-4, for :func:`trainfree.open_scores`.

    Raises
    ------
    DataFileError
        When the file cannot be written; nothing is left behind.
    """
    write_dataset(scores_of_modules(table), path, KIND)


def scores_of_modules(table: pd.DataFrame) -> xr.Dataset:
    """Return a table of scores over (model, proxy), with its provenance as attributes."""
    import numpy as np
    import xarray as xr

    from trainfree.scoring.jobs.schema import status_flags, variable
    from trainfree.scoring.status import Status

    by = [list(dict.fromkeys(table[name])) for name in ("model", "proxy")]
    shape = tuple(map(len, by))
    ordered = table.set_index(["model", "proxy"]).loc[[(m, p) for m in by[0] for p in by[1]]]

    def grid(name: str, kind: type) -> object:
        return ordered[name].to_numpy(kind).reshape(shape)

    numbers = {status.name.lower(): status.value for status in Status}
    codes = ordered["status"].map(numbers).to_numpy(np.int8).reshape(shape)
    dims = ("model", "proxy")
    return xr.Dataset(
        {
            "score": variable(
                dims, grid("score", np.float64), "proxy score, mean over draws, higher is better"
            ),
            "spread": variable(
                dims, grid("spread", np.float64), "standard deviation over draws, NaN of one"
            ),
            "status": variable(dims, codes, "what became of the score", "1", **status_flags()),
            "message": variable(dims, grid("message", object), "why a score failed"),
            "seconds": variable(
                dims,
                grid("seconds", np.float64),
                "measured scoring time of the proxy alone for a draw, shared work included",
                "s",
            ),
        },
        coords={
            name: (name, np.array(names, dtype=object), {"long_name": f"{name} by name"})
            for name, names in zip(dims, by, strict=True)
        },
        attrs=table.attrs,
    )
