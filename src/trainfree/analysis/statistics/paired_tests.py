"""Paired tests over runs: Wilcoxon with Holm's correction, and average ranks.

Run r of one search is set against run r of another. A run of few architectures often answers
with the same one, so zero differences and ties are frequent and have to be handled, not dropped
silently: differences of zero take part in the ranking (Pratt, JASA 1959).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# scipy.stats takes most of a second to import, and most tables test nothing: imported where used.

Floats = NDArray[np.float64]


class PairedTest(NamedTuple):
    """Two-sided p-value and matched-pairs rank-biserial correlation, in [-1, 1]."""

    p_value: float
    effect: float


class AverageRanks(NamedTuple):
    """Mean rank of each competitor (1 is best), Friedman's p and Nemenyi's critical difference."""

    ranks: Floats
    p_value: float
    critical_difference: float


def wilcoxon(first: Floats, second: Floats) -> PairedTest:
    """Compare paired values.

    The effect is (W₊ − W₋) / (W₊ + W₋) of the signed ranks of ``first − second`` (Kerby, 2014):
    1 when the first is always larger.
    """
    from scipy import stats

    difference = first - second
    if not difference.any():
        return PairedTest(1.0, 0.0)
    ranks = stats.rankdata(np.abs(difference))
    positive, negative = ranks[difference > 0].sum(), ranks[difference < 0].sum()
    found = stats.wilcoxon(difference, zero_method="pratt", correction=False, method="asymptotic")
    return PairedTest(float(found.pvalue), float((positive - negative) / (positive + negative)))


def holm(p_values: Sequence[float]) -> Floats:
    """Return p-values adjusted for their number (Holm, Scand. J. Statist. 1979)."""
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    factors = len(given) - np.arange(len(given))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return adjusted


def average_ranks(values: Floats) -> AverageRanks:
    """Rank competitors within each run and average over runs (Demšar, JMLR 2006).

    Parameters
    ----------
    values
        (run, competitor), larger is better; at least two competitors.
    """
    from scipy import stats

    runs, competitors = values.shape
    ranks: Floats = stats.rankdata(-values, axis=1).mean(axis=0)
    alike = bool((values == values[:, :1]).all())
    p_value = 1.0
    if competitors > 2 and not alike:
        p_value = float(stats.friedmanchisquare(*values.T).pvalue)
    elif not alike:
        p_value = wilcoxon(values[:, 0], values[:, 1]).p_value
    quantile = float(stats.studentized_range.ppf(0.95, competitors, np.inf)) / np.sqrt(2)
    difference = quantile * np.sqrt(competitors * (competitors + 1) / (6 * runs))
    return AverageRanks(ranks, p_value, float(difference))
