"""Means over runs that share draws of mini-batch and weights.

Runs of one draw look up the same scores, so they are no independent repetitions of scoring. The
error of their mean is at least what the means of the draws say (one cluster a draw).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]


def draws_of(search: xr.Dataset) -> NDArray[np.int64]:
    """Return the draw of each run of a search file, (run,); zeros where none is noted."""
    if "draw" not in search:
        return np.zeros(search.sizes["run"], dtype=np.int64)
    return search["draw"].to_numpy().astype(np.int64)


def standard_error(values: Floats, draws: NDArray[np.int64]) -> tuple[float, int]:
    """Return the standard error of the mean and its degrees of freedom.

    The larger one, as a half interval, of two: s / √n over n runs, and the same over the means of
    k draws. NaN for fewer than two values.

    Parameters
    ----------
    values
        (run,), finite.
    draws
        (run,) the draw of each.
    """
    n = len(values)
    if n < 2:
        return np.nan, 0
    of_runs = float(values.std(ddof=1)) / float(np.sqrt(n)), n - 1
    used = np.unique(draws)
    if len(used) < 2:
        return of_runs
    means = np.array([values[draws == draw].mean() for draw in used])
    of_draws = float(means.std(ddof=1)) / float(np.sqrt(len(used))), len(used) - 1
    return max(of_runs, of_draws, key=lambda found: half_interval(*found))


def half_interval(error: float, degrees: int) -> float:
    """Return half of the 95 % Student interval of a mean."""
    from scipy.special import stdtrit  # slow to import, and the workflow reads this file

    return float(stdtrit(degrees, 0.975)) * error
