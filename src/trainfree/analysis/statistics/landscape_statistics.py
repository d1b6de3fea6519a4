"""Estimates with intervals for the landscape tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.statistics.rank_statistics import Floats, percentile_interval

Interval = tuple[float, float, float]
"""Estimate, and bounds of its 95 % interval."""
_NORMAL_QUANTILE = 1.959964


def autocorrelations(
    along: Floats, lags: Sequence[int], resamples: int, rng: np.random.Generator
) -> list[Interval]:
    """Return the autocorrelation at each lag, with an interval from resampled walks.

    Parameters
    ----------
    along
        What each walk meets, (walks, steps).
    lags
        Numbers of steps, less than there are.
    """
    walks = len(along)
    centred = along - along.mean()
    counts = [np.bincount(rng.integers(walks, size=walks), minlength=walks) for _ in
              range(resamples)]  # fmt: skip
    weights = np.array([np.ones(walks, dtype=np.int64), *counts])
    found = []
    for lag in lags:
        a, b = centred[:, :-lag], centred[:, lag:]
        sums = np.stack(
            [x.sum(axis=1) for x in (np.ones_like(a), a, b, a * a, b * b, a * b)], axis=1
        )
        n, sum_a, sum_b, sum_aa, sum_bb, sum_ab = (weights[:, :, None] * sums).sum(axis=1).T
        covariance = sum_ab - sum_a * sum_b / n
        spread = (sum_aa - sum_a**2 / n) * (sum_bb - sum_b**2 / n)
        correlation = covariance / np.sqrt(spread)
        found.append((float(correlation[0]), *percentile_interval(correlation[1:])))
    return found


def replacement_effects(
    column: Floats,
    before: NDArray[Any],
    after: NDArray[Any],
    kind: NDArray[Any],
    kinds: int,
    relative: bool,
    resamples: int,
    rng: np.random.Generator,
) -> Floats:
    """Return pairs, mean change and bounds for each kind of replacement, (kinds, 4).

    Parameters
    ----------
    column
        The quantity of each architecture, NaN where unknown; pairs with an unknown one are left
        out.
    before, after, kind
        The pairs.
    relative
        Whether changes are in percent of the value before.

    Notes
    -----
    One architecture is in many pairs, so the architectures are resampled and a pair counts as
    often as both of its ends together (Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 2007).
    """
    known = ~np.isnan(column)
    kept = known[before] & known[after]
    before, after, kind = before[kept], after[kept], kind[kept]
    change = column[after] - column[before]
    if relative:
        change = 100 * change / column[before]
    numbers = np.cumsum(known) - 1  # numbers among those that are known
    before, after = numbers[before], numbers[after]
    size = int(known.sum())
    means = np.empty((resamples + 1, kinds))
    for resample in range(resamples + 1):
        if resample == 0:
            weights = np.ones(len(kind))
        else:
            counts = np.bincount(rng.integers(size, size=size), minlength=size)
            weights = (counts[before] * counts[after]).astype(np.float64)
        total = np.bincount(kind, weights=weights, minlength=kinds)
        sums = np.bincount(kind, weights=weights * change, minlength=kinds)
        means[resample] = np.divide(sums, total, out=np.full(kinds, np.nan), where=total > 0)
    bounds = [percentile_interval(means[1:, place]) for place in range(kinds)]
    pairs = np.bincount(kind, minlength=kinds)
    return np.column_stack([pairs, means[0], bounds])


def mean_interval(values: Floats) -> Interval:
    """Return the mean with its normal interval; NaN where there is too little for it."""
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if len(values) == 1:
        return mean, float("nan"), float("nan")
    error = _NORMAL_QUANTILE * float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, mean - error, mean + error
