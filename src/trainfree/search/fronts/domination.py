"""Pareto fronts of two quantities and the area that they dominate.

Everywhere here the first quantity is a *quality*, of which more is better, and the second a
*burden*, of which less is better. One point dominates another where it is at least as good in both
and better in one: of points that are equal in both, none dominates the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def non_dominated(quality: FloatArray, burden: FloatArray) -> BoolArray:
    """Return (n,) which points no other point dominates.

    Parameters
    ----------
    quality, burden
        (n,) numbers without NaN; infinities are values.
    """
    if len(quality) == 0:
        return np.zeros(0, dtype=bool)
    group = np.unique(-quality, return_inverse=True)[1]
    least = np.full(group.max() + 1, np.inf)
    np.minimum.at(least, group, burden)
    of_better = np.concatenate([[np.inf], np.minimum.accumulate(least)[:-1]])
    first = group == 0  # nothing is better, and an infinite burden is a value
    undominated: BoolArray = (burden == least[group]) & (first | (burden < of_better[group]))
    return undominated


def hypervolume(quality: FloatArray, burden: FloatArray, reference: tuple[float, float]) -> float:
    """Return the area between points and a reference point, in the product of their units.

    Source: Zitzler and Thiele, "Multiobjective Optimization Using Evolutionary Algorithms", PPSN
    1998. Points that are not better than the reference in both quantities add nothing.

    Parameters
    ----------
    quality, burden
        (n,) finite numbers; dominated points may be among them and change nothing.
    reference
        Quality and burden of the reference point.
    """
    inside = (quality > reference[0]) & (burden < reference[1])
    order = np.argsort(burden[inside], kind="stable")
    steps = np.append(burden[inside][order], reference[1])
    height = np.maximum.accumulate(quality[inside][order]) - reference[0]
    return float(np.sum(height * np.diff(steps)))
