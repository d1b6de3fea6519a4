"""Several proxies as one: combinations over the architectures scored, as columns beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainfree.analysis.inputs import Floats
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.combinations import COMBINATION_NAMES, load_combination
from trainfree.combinations.table import combine, log_ranks

COMBINATIONS = {name: load_combination(name).proxies for name in COMBINATION_NAMES}
"""The proxies of each."""


def rank_aggregation(scores: pd.DataFrame) -> Floats:
    """Return Σ over proxies ln(rank / n), rank 1 being the worst of the n architectures.

    Parameters
    ----------
    scores
        One column a proxy, higher is better; −inf is the worst rank, NaN gives NaN.
    """
    ranks = np.column_stack([mean_ranks(scores[name].to_numpy()) for name in scores])
    return log_ranks(ranks, len(scores))


def combined(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a column for each combination whose parts are all there."""
    made = {
        name: combine(load_combination(name), scores[list(parts)].to_numpy(dtype=np.float64))
        for name, parts in COMBINATIONS.items()
        if set(parts) <= set(scores)
    }
    return pd.DataFrame(made, index=scores.index)
