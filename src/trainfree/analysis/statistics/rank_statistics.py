"""Kendall's tau-b, Spearman's rho and Pearson's r, exact and fast enough for a bootstrap.

A bootstrap resample of n pairs is the same n pairs with integer counts. Everything that depends
only on the order of the values is therefore worked out once, and a resample costs a few passes
over the counts, fewer where a table needs one statistic alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STATISTICS = ("kendall", "spearman", "pearson")


class Statistics(NamedTuple):
    """The three measures of agreement; NaN where a measure is not defined."""

    kendall: float
    spearman: float
    pearson: float


class PairedRanks:
    """Pairs (x, y), prepared so that statistics of any resample of them are quick.

    Parameters
    ----------
    x, y
        Values of equal length, without NaN. Infinite values are ranked like any other; they leave
        Pearson's r undefined.

    Notes
    -----
    Tau-b is Kendall's statistic with the correction for ties (Kendall, "The treatment of ties in
    ranking problems", Biometrika 1945).
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"expected two vectors of equal length, found {x.shape}, {y.shape}")
        if np.isnan(x).any() or np.isnan(y).any():
            raise ValueError("expected values without NaN; exclude such pairs first")
        x_rank, y_rank = _dense_ranks(x), _dense_ranks(y)
        order = np.lexsort((y_rank, x_rank))
        self._order = order
        self._x, self._y = x_rank[order], y_rank[order]
        self._x_starts = np.flatnonzero(np.diff(self._x, prepend=-1))
        finite = np.isfinite(x).all() and np.isfinite(y).all()
        self._values = (_scaled(x[order]), _scaled(y[order])) if finite else None

    def __len__(self) -> int:
        return len(self._order)

    def statistics(self, counts: Integers | None = None) -> Statistics:
        """Return the statistics of a resample, or of the pairs themselves.

        Parameters
        ----------
        counts
            How often each pair occurs, in the order of ``x`` and ``y``; once each by default.
        """
        return Statistics(*self.chosen(STATISTICS, counts))

    def chosen(self, names: Sequence[str], counts: Integers | None = None) -> list[float]:
        """Return some of the statistics, in the order of ``names``; ``counts`` as above."""
        weights = np.ones(len(self), np.int64) if counts is None else counts[self._order]
        if self._is_constant(weights):
            return [float("nan")] * len(names)
        found = {"kendall": self._kendall, "spearman": self._spearman, "pearson": self._pearson}
        return [found[name](weights) for name in names]

    def _is_constant(self, weights: Integers) -> bool:
        """Tell whether all x or all y of a resample are equal, as those of less than two are."""
        places = np.flatnonzero(weights)
        if len(places) < 2 or self._x[places[0]] == self._x[places[-1]]:
            return True
        first = self._y[places[0]]
        return bool(first == self._y[places[-1]] and (self._y[places] == first).all())

    def _kendall(self, weights: Integers) -> float:
        from trainfree.analysis.statistics.pair_counts import (
            count_pairs,  # compiled, slow to import
        )

        pairs, x_tied, y_tied, both_tied, discordant = count_pairs(weights, self._x, self._y)
        surplus = pairs - x_tied - y_tied + both_tied - 2 * discordant
        return float(surplus / np.sqrt(float(pairs - x_tied) * float(pairs - y_tied)))

    def _spearman(self, weights: Integers) -> float:
        x_counts = np.add.reduceat(weights, self._x_starts)
        y_counts = np.bincount(self._y, weights=weights)
        centre = (weights.sum() + 1) / 2
        x_centred, y_centred = _mean_ranks(x_counts) - centre, _mean_ranks(y_counts) - centre
        products = x_centred[self._x] * y_centred[self._y]
        spread = _dot(x_counts, x_centred**2) * _dot(y_counts, y_centred**2)
        return float(_dot(weights, products) / np.sqrt(spread))

    def _pearson(self, weights: Integers) -> float:
        if self._values is None:
            return float("nan")
        n = int(weights.sum())
        x, y = (values - _dot(weights, values) / n for values in self._values)
        spread = _dot(weights, x**2) * _dot(weights, y**2)
        if not spread > 0:  # differences too small for floating point
            return float("nan")
        return float(np.clip(_dot(weights, x * y) / np.sqrt(spread), -1.0, 1.0))


def bootstrap(
    pairs: PairedRanks,
    resamples: int,
    rng: np.random.Generator,
    names: Sequence[str] = STATISTICS,
) -> NDArray[np.float64]:
    """Return statistics of bootstrap resamples, shape (resamples, names).

    Each resample draws as many pairs as there are, with replacement (Efron, Ann. Statist. 1979).
    """
    drawn = bootstrap_counts(len(pairs), resamples, rng)
    found = [pairs.chosen(names, counts) for counts in drawn]
    return np.array(found).reshape(resamples, len(names))


def bootstrap_counts(n: int, resamples: int, rng: np.random.Generator) -> Iterator[Integers]:
    """Yield how often each of ``n`` pairs is in a bootstrap resample, resample by resample."""
    for _ in range(resamples):
        yield np.bincount(rng.integers(n, size=n), minlength=n)


def mean_ranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share their mean rank, NaN has none and stays NaN."""
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def percentile_interval(values: Floats, coverage: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval; NaN bounds where any resample is undefined."""
    if len(values) == 0 or np.isnan(values).any():
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _dot(counts: Integers, values: Floats) -> float:
    """Return the weighted sum, without BLAS: its threads change the last bits and cost more."""
    return float((counts * values).sum())


def _dense_ranks(values: Floats) -> Integers:
    return np.unique(values, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _mean_ranks(counts: Integers) -> Floats:
    """Return the mean rank (from 1) of each distinct value, given how often each occurs."""
    ranks: Floats = np.cumsum(counts) - (counts - 1) / 2
    return ranks


def _scaled(values: Floats) -> Floats:
    """Shift and scale to within [-1, 1], so that squares neither overflow nor vanish."""
    if len(values) == 0:
        return values
    shrunk = values / max(float(np.abs(values).max()), np.finfo(float).tiny)
    shifted = shrunk - np.median(shrunk)
    return shifted / max(float(np.abs(shifted).max()), np.finfo(float).tiny)
