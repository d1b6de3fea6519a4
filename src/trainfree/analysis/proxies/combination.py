"""Several proxies as one: rank aggregation and vote, both over the architectures scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainfree.analysis.inputs import Floats
from trainfree.analysis.statistics.rank_statistics import mean_ranks

AZ_NAS_PARTS = ("az_expressivity", "az_progressivity", "az_trainability", "flops")
"""Lee and Ham, CVPR 2024; their complexity is the number of operations."""
VOTERS = ("synflow", "jacob_cov", "snip")
"""Abdelfattah et al., ICLR 2021, section 4.3."""
_ROWS_AT_ONCE = 256
COMBINATIONS = {"az_nas": AZ_NAS_PARTS, "vote": VOTERS}


def rank_aggregation(scores: pd.DataFrame) -> Floats:
    """Return Σ over proxies ln(rank / n), rank 1 being the worst of the n architectures.

    Parameters
    ----------
    scores
        One column a proxy, higher is better; −inf is the worst rank, NaN gives NaN.
    """
    ranks = np.column_stack([mean_ranks(scores[name].to_numpy()) for name in scores])
    aggregate: Floats = np.log(ranks / len(scores)).sum(axis=1)
    return aggregate


def vote(scores: pd.DataFrame) -> Floats:
    """Return for each architecture the fraction of others that most proxies place below it.

    The published vote decides a pair of architectures by majority; what is returned orders them by
    the pairs they win (a tie in a vote counts half).
    """
    ranks = np.column_stack([mean_ranks(scores[name].to_numpy()) for name in scores])
    won = np.empty(len(scores))
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        votes = sum(np.sign(rank[part, None] - rank[None, :]) for rank in ranks.T)
        won[part] = np.nansum(np.sign(votes), axis=1)
    won[np.isnan(ranks).any(axis=1)] = np.nan
    fraction: Floats = (won / max(len(scores) - 1, 1) + 1) / 2
    return fraction


def combined(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a column for each combination whose parts are all there."""
    made = {}
    for name, parts in COMBINATIONS.items():
        if set(parts) <= set(scores):
            chosen = scores[list(parts)]
            made[name] = rank_aggregation(chosen) if name == "az_nas" else vote(chosen)
    return pd.DataFrame(made, index=scores.index)
