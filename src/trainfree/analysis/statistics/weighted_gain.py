"""nDCG@k of any resample of the same pairs, prepared so that a resample costs a few passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.statistics.exponential_gain import PUBLISHED_K

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class HeadGain:
    """What :func:`~trainfree.analysis.statistics.exponential_gain.ndcg_at` gives, by resample.

    Parameters
    ----------
    score, accuracy
        (arch,) without NaN; larger is better; accuracy in percent.
    population
        Architectures that these are a uniform sample of: each takes ``population / n`` places of
        the ranking, however many of them a resample has.
    k
        Places that count.
    """

    def __init__(
        self, score: Floats, accuracy: Floats, population: int, k: int = PUBLISHED_K
    ) -> None:
        self._population = max(population, len(score))
        top = accuracy.max()
        # Gains as a share of the largest: 2^accuracy of a thousand architectures is a large sum.
        self._gain = np.exp2(accuracy - top) - np.exp2(-top)
        self._rankings = _groups(score), _groups(accuracy)
        self._summed = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))))
        self._known, self._k = np.arange(k + 1), k

    def value(self, counts: Integers | None = None) -> float:
        """Return the nDCG of a resample; of the pairs themselves without counts."""
        weights = np.ones(len(self._gain), np.int64) if counts is None else counts
        total = int(weights.sum())
        if total == 0:
            return float("nan")
        places = self._population / total
        found, best = (self._sum(weights, places, *ranking) for ranking in self._rankings)
        return found / best if best > 0 else float("nan")

    def _sum(self, weights: Integers, places: float, order: Integers, starts: Integers) -> float:
        """Return the discounted sum of gains, its mean over all orders of equal values."""
        ordered = weights[order]
        # Behind the last place that counts nothing has to be looked at, but a tie that reaches it.
        last = int(np.searchsorted(np.cumsum(ordered), self._k / places))
        groups = int(np.searchsorted(starts, last, side="right"))
        end = int(starts[groups]) if groups < len(starts) else len(order)
        ordered, order, starts = ordered[:end], order[:end], starts[:groups]
        sizes = np.add.reduceat(ordered, starts)
        gains = np.add.reduceat(ordered * self._gain[order], starts)
        ends = np.cumsum(sizes) * places
        begins = ends - sizes * places
        shares = np.interp(ends, self._known, self._summed)
        shares -= np.interp(begins, self._known, self._summed)
        return float((gains * shares / np.maximum(sizes, 1)).sum())


def _groups(values: Floats) -> tuple[Integers, Integers]:
    """Return the order from the best down, and where each group of equal values begins in it."""
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return order.astype(np.int64), starts.astype(np.int64)
