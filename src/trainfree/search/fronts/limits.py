"""The best architecture within a limit on a cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.fronts.costs import Cost
from trainfree.search.fronts.domination import BoolArray, FloatArray

NONE = -1
"""In the place of an answer: nothing that was looked at is within the limit."""


class Limit(NamedTuple):
    """A limit: its name, its value in the cost's units, and (arch,) what is within it."""

    name: str
    value: float
    within: BoolArray


def limits_of(
    cost: Cost,
    known: BoolArray,
    quantiles: tuple[float, ...],
    values: tuple[float, ...],
    space: str,
) -> list[Limit]:
    """Return the limits on a cost: shares of the space, then values.

    Parameters
    ----------
    known
        (arch,) which architectures have the cost and an accuracy; shares are shares of these.

    Raises
    ------
    ConfigError
        When no architecture is within one.
    """
    burden = cost.burden
    best = np.nanmin(np.where(known, burden, np.nan))
    named = [
        (f"best {quantile:.3g}", float(np.quantile(burden[known], quantile, method="inverted_cdf")))
        for quantile in quantiles
    ]
    sign = -1.0 if cost.larger_is_better else 1.0
    named += [(f"{value:.6g} {cost.units}", sign * value) for value in values]
    limits = []
    for name, limit in named:
        within = known & (burden <= limit)
        if not within.any():
            kind, least = ("at least", "most") if cost.larger_is_better else ("at most", "least")
            raise ConfigError(
                f"pareto.limits.{cost.name}: no architecture of {space} has {kind} "
                f"{cost.of_burden(limit):.6g} {cost.units}; the {least} is "
                f"{cost.of_burden(float(best)):.6g}"
            )
        limits.append(Limit(name, cost.of_burden(limit), within))
    return limits


def fitness_within(score: FloatArray, cost: Cost, limit: Limit) -> FloatArray:
    """Return (arch,) what a search is told that has to keep within a limit.

    Source: Deb, "An efficient constraint handling method for genetic algorithms", Computer Methods
    in Applied Mechanics and Engineering 186, 2000: what is within is better than what is not; of
    two within, the one of higher score; of two beyond, the one that exceeds the limit by less.
    From 0 on within, below 0 beyond; NaN where score, cost or accuracy is missing.
    """
    excess = cost.burden - (-limit.value if cost.larger_is_better else limit.value)
    fitness = np.where(excess > 0, -excess, np.nan)
    rated = limit.within & ~np.isnan(score)
    fitness[rated] = np.unique(score[rated], return_inverse=True)[1]
    return fitness


def answers_of(
    arch: NDArray[np.int32], fitness: FloatArray, budgets: tuple[int, ...]
) -> NDArray[np.int32]:
    """Return (run, budget) the best that was looked at, the first of equals; :data:`NONE` without.

    Parameters
    ----------
    arch
        (run, step) what was looked at.
    fitness
        See :func:`fitness_within`.
    """
    seen = np.nan_to_num(fitness, nan=-np.inf)[arch]
    found = np.full((len(arch), len(budgets)), NONE, dtype=np.int32)
    for place, budget in enumerate(budgets):
        best = np.argmax(seen[:, :budget], axis=1)[:, np.newaxis]
        chosen = np.take_along_axis(arch, best, axis=1)[:, 0]
        is_within = np.take_along_axis(seen, best, axis=1)[:, 0] >= 0
        found[is_within, place] = chosen[is_within]
    return found


def accuracy_of_best(fitness: FloatArray, accuracy: FloatArray) -> float:
    """Return the accuracy of the best of a whole space, the mean of those that are equally good."""
    best = np.nanmax(fitness, initial=-1.0)
    return float(np.mean(accuracy[fitness == best])) if best >= 0 else float("nan")
