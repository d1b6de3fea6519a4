"""What the head of a ranking is worth, as the tables of VKDNW and AZ-NAS count it.

``nDCG@k`` (Týbl and Neumann, CVPR 2025) is Σⱼ≤ₖ (2^accuracy − 1) / log₂(1 + j) over the places j of
the ranking by score, over the same sum of the ranking by accuracy; accuracy is in percent. The gain
doubles with each point, so that what is near the optimum decides it. Another nDCG, whose gain is a
rank, is in :mod:`trainfree.analysis.statistics.top_ranks`.

Equal scores are in no order: each statistic is its mean over all orders that break the ties, which
needs no random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.analysis.statistics.top_ranks import in_top

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Infinite = Literal["worst rank", "worst finite"]
PUBLISHED_K = 1000


def with_infinite(scores: Floats, rule: Infinite) -> Floats:
    """Return scores in which −inf, +inf and NaN are treated by a named rule.

    Parameters
    ----------
    scores
        (arch,).
    rule
        ``worst rank``, the suite's own: −inf is below all that is finite, and what is no number
        stays NaN, for the caller to leave out. ``worst finite``, as the code of VKDNW has it: each
        of them counts as the worst finite score, so that it is tied with that architecture.
    """
    if rule == "worst rank":
        return np.where(np.isposinf(scores), np.nan, scores)
    finite = np.isfinite(scores)
    if not finite.any():
        return np.full(len(scores), np.nan)
    return np.where(finite, scores, scores[finite].min())


def ndcg_at(score: Floats, accuracy: Floats, k: int = PUBLISHED_K, population: int = 0) -> float:
    """Return the nDCG of the first k places.

    Parameters
    ----------
    score, accuracy
        (arch,) without NaN; larger is better; accuracy in percent.
    k
        Places that count.
    population
        Architectures that these are a uniform sample of; 0: they are all. Each architecture of a
        sample of n stands for population / n: it takes so many places of the ranking, so that
        nDCG@k of the population is estimated and not that of the sample, which has other
        discounts. With n = population the two are one.
    """
    places = max(population, len(score)) / len(score)
    # Gains as a share of the largest: 2^accuracy of a thousand architectures is a large sum.
    gain = np.exp2(accuracy - accuracy.max()) - np.exp2(-accuracy.max())
    best = float((gain * _discounts(accuracy, k, places)).sum())
    return float((gain * _discounts(score, k, places)).sum()) / best if best > 0 else float("nan")


def spread_of_orders(
    score: Floats, accuracy: Floats, rng: np.random.Generator, orders: int = 100
) -> float:
    """Return the standard deviation of nDCG@1000 over random orders of equal scores.

    It is what a printed number owes to an order of ties that nobody states; 0 without ties.
    """
    if len(np.unique(score)) == len(score):
        return 0.0
    gain = np.exp2(accuracy - accuracy.max()) - np.exp2(-accuracy.max())
    discount = 1 / np.log2(np.arange(2, min(PUBLISHED_K, len(score)) + 2))
    best = float((np.sort(gain)[::-1][: len(discount)] * discount).sum())
    found = []
    for _ in range(orders):
        order = np.lexsort((rng.random(len(score)), -score))
        found.append(float((gain[order[: len(discount)]] * discount).sum()) / best)
    return float(np.std(found))


def precision_at(score: Floats, accuracy: Floats, k: int) -> float:
    """Return which part of the k best by score is among the k best by accuracy.

    Where several are equal at the border, each is among the best with equal probability.

    Raises
    ------
    ValueError
        When there are fewer than k.
    """
    if not 0 < k <= len(score):
        raise ValueError(f"expected 1 ≤ k ≤ {len(score)}, found {k}")
    return float((in_top(score, k) * in_top(accuracy, k)).sum() / k)


def best_of_draws(score: Floats, accuracy: Floats, draws: Sequence[Integers]) -> Floats:
    """Return (draw,) the accuracy of the best-scored architecture of each draw.

    Parameters
    ----------
    draws
        Places in ``score``, the same for all methods that are compared. Of architectures with
        equal best scores each is the answer with equal probability: their mean.
    """
    found = []
    for drawn in draws:
        chosen = score[drawn]
        found.append(float(accuracy[drawn][chosen == chosen.max()].mean()))
    return np.array(found)


def rank_sum(scores: Sequence[Floats], *, logarithmic: bool) -> Floats:
    """Return the sum of the ranks of several scores, or of their logarithms, 1 being the worst."""
    ranks = np.array([mean_ranks(score) for score in scores]) / len(scores[0])
    total: Floats = (np.log(ranks) if logarithmic else ranks).sum(axis=0)
    return total


def _discounts(values: Floats, k: int, places: float) -> Floats:
    """Return the mean discount of each architecture over all orders of equal values.

    Parameters
    ----------
    places
        How many places of the ranking an architecture takes; need not be whole.
    """
    summed = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))))
    _, group, sizes = np.unique(-values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes) * places
    starts = ends - sizes * places
    known = np.arange(k + 1)
    total = np.interp(ends, known, summed) - np.interp(starts, known, summed)
    shared: Floats = (total / sizes)[group]
    return shared
