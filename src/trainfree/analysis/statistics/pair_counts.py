"""Pairs of pairs, counted in compiled code: how many are tied and how many are discordant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled

Integers = NDArray[np.int64]


class PairCounts(NamedTuple):
    """How many pairs there are, are tied in x, in y and in both, and have opposite orders."""

    pairs: int
    x_tied: int
    y_tied: int
    both_tied: int
    discordant: int


@compiled()
def count_pairs(weights: Integers, x: Integers, y: Integers) -> PairCounts:
    """Count the pairs among points that occur several times each.

    Parameters
    ----------
    weights
        How often each point occurs.
    x, y
        Ranks from 0, the points ordered by x and those of one x by y.

    Notes
    -----
    The points seen so far are kept in a tree of counts by y (Fenwick, Softw. Pract. Exper. 1994),
    in which a sum over the lower ranks and an addition take a step for each binary digit.
    """
    distinct = y.max() + 1 if len(y) else 0
    tree, y_seen = np.zeros(distinct + 1, np.int64), np.zeros(distinct, np.int64)
    seen, x_seen, both_seen = 0, 0, 0
    x_tied, y_tied, both_tied, discordant = 0, 0, 0, 0
    for place in range(len(x)):
        if place > 0 and x[place] != x[place - 1]:
            x_seen = both_seen = 0
        elif place > 0 and y[place] != y[place - 1]:
            both_seen = 0
        weight, rank = weights[place], y[place]
        if weight == 0:
            continue
        among = weight * (weight - 1) // 2
        x_tied += weight * x_seen + among
        y_tied += weight * y_seen[rank] + among
        both_tied += weight * both_seen + among
        not_above, node = 0, rank + 1
        while node > 0:
            not_above += tree[node]
            node -= node & -node
        discordant += weight * (seen - not_above)
        node = rank + 1
        while node <= distinct:
            tree[node] += weight
            node += node & -node
        seen += weight
        x_seen += weight
        y_seen[rank] += weight
        both_seen += weight
    return PairCounts(seen * (seen - 1) // 2, x_tied, y_tied, both_tied, discordant)
