"""Parts of a space that correlations are looked at on: those the space names, the best tenth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

WHOLE, BEST = "whole space", "best tenth"
Booleans = NDArray[np.bool_]


def subsets_of(benchmark: xr.Dataset, pairs: pd.DataFrame) -> dict[str, Booleans]:
    """Return (pair,) which architectures are in each part of a space.

    The whole space comes first, the best tenth last; between them stand the parts that the space
    names, as far as its benchmark file has them.

    Parameters
    ----------
    pairs
        By architecture; the column ``accuracy`` decides which are the best.
    """
    parts = {WHOLE: np.ones(len(pairs), dtype=bool)}
    if "in_subset" in benchmark:
        members = benchmark["in_subset"].transpose("arch", "subset").to_numpy().astype(bool)
        known = pd.Index(benchmark["architecture"].to_numpy().astype(str))
        place = known.get_indexer(pd.Index(pairs.index.astype(str)))
        for name, chosen in zip(benchmark["subset"].to_numpy().tolist(), members.T, strict=True):
            parts[str(name)] = chosen[place] & (place >= 0)
    return parts | {BEST: best_tenth(pairs["accuracy"])}


def best_tenth(accuracy: pd.Series) -> Booleans:
    """Return (arch,) which architectures are among the best 10 % by accuracy, ties included."""
    values = accuracy.to_numpy(dtype=np.float64)
    chosen: Booleans = values >= np.quantile(values, 0.9)
    return chosen
