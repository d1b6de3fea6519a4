"""Combinations over a table of scores: each architecture among all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.combinations.declaration import Combination, Ties

Floats = NDArray[np.float64]
_ROWS_AT_ONCE = 256


def combine(combination: Combination, scores: Floats) -> Floats:
    """Return (arch,) the combined score of each architecture, higher is better.

    Parameters
    ----------
    scores
        (arch, part), higher is better; −inf has the worst rank, NaN gives NaN.
    """
    parts = zip(scores.T, combination.parts, strict=True)
    ranks = np.column_stack([ranked(column, part.ties) for column, part in parts])
    if combination.rule == "majority":
        return _majority(ranks)
    if combination.rule == "ranks":
        total: Floats = ranks.sum(axis=1)
        return total
    return log_ranks(ranks, len(ranks) if combination.relative else 1)


def ranked(values: Floats, ties: Ties = "mean") -> Floats:
    """Return (arch,) ranks from 1, the lowest value; NaN has none and stays NaN."""
    ranks, known = np.full(len(values), np.nan), ~np.isnan(values)
    _, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    mean = np.cumsum(counts) - (counts - 1) / 2
    ranks[known] = place + 1.0 if ties == "dense" else mean[place]
    return ranks


def log_ranks(ranks: Floats, size: int) -> Floats:
    """Return (arch,) Σ over parts of ln(rank / size), of (arch, part) ranks."""
    aggregate: Floats = np.log(ranks / size).sum(axis=1)
    return aggregate


def _majority(ranks: Floats) -> Floats:
    won = np.empty(len(ranks))
    for start in range(0, len(ranks), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        votes = sum(np.sign(rank[part, None] - rank[None, :]) for rank in ranks.T)
        won[part] = np.nansum(np.sign(votes), axis=1)
    won[np.isnan(ranks).any(axis=1)] = np.nan
    fraction: Floats = (won / max(len(ranks) - 1, 1) + 1) / 2
    return fraction
