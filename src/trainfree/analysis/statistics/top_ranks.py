"""What scores are worth among the best: measures that look at the head of a ranking alone.

Equal scores are in no order. Each measure is its mean over all orders that break the ties, which
needs no random numbers: a constant score gets what guessing gets.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.statistics.rank_statistics import mean_ranks

Floats = NDArray[np.float64]
TOP = 0.1
"""The share of the architectures that counts as the best."""


def top_precision(score: Floats, accuracy: Floats, share: float = TOP) -> float:
    """Return which part of the best by score is among the best by accuracy.

    Parameters
    ----------
    score, accuracy
        (arch,), without NaN; larger is better, −inf is lowest.
    share
        The best are so many, rounded up; where several are equal at the border, each of them is
        among the best with equal probability.
    """
    count = ceil(share * len(score))
    return float((in_top(score, count) * in_top(accuracy, count)).sum() / count)


def ndcg(score: Floats, accuracy: Floats, share: float = TOP) -> float:
    """Return the normalised discounted cumulative gain of the best by score.

    Σⱼ gⱼ / log₂(1 + j) over the first places j of the ranking, over the largest possible sum
    (Järvelin and Kekäläinen, 2002). The gain g is the share of the other architectures whose
    accuracy is lower, an equal one counting half: so it means the same in every space, whatever the
    accuracies are and however bad the worst is. NaN where all accuracies are equal.

    Parameters
    ----------
    score, accuracy, share
        As of :func:`top_precision`.
    """
    if not accuracy.max() > accuracy.min():
        return float("nan")
    gain = (mean_ranks(accuracy) - 1) / (len(accuracy) - 1)
    count = ceil(share * len(score))
    discount = np.zeros(len(score))
    discount[:count] = 1 / np.log2(np.arange(2, count + 2))
    best = float((np.sort(gain)[::-1] * discount).sum())
    _, group, sizes = np.unique(-score, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    total = np.concatenate(([0.0], np.cumsum(discount)))
    mean_discount = (total[ends] - total[ends - sizes]) / sizes
    return float((gain * mean_discount[group]).sum()) / best


def in_top(values: Floats, count: int) -> Floats:
    """Return the probability of each to be among the ``count`` largest."""
    border = np.sort(values)[::-1][count - 1]
    above, equal = values > border, values == border
    chance: Floats = above + equal * (count - above.sum()) / equal.sum()
    return chance
