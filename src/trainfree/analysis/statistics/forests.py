"""A learner beside the proxies: a random forest that sees some trained architectures.

The protocol is that of GRAF (Kadlecová et al., "Surprisingly Strong Performance Prediction with
Neural Graph Features", ICML 2024) as its published code has it: scikit-learn's random forest for
regression with its default settings (100 trees, all features at every split), trained on so many
architectures drawn uniformly, judged on all others by Kendall's tau-b and Spearman's rho.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from trainfree.analysis.statistics.exponential_gain import ndcg_at
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.randomness import stream

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
LARGEST = float(np.finfo(np.float32).max)
"""scikit-learn's trees hold features as float32."""


class Learned(NamedTuple):
    """How a forest ranks the architectures that it was not trained on, and what that took.

    Attributes
    ----------
    kendall, spearman
        Tau-b and rho of prediction and truth; NaN where all predictions or truths are equal.
    ndcg
        nDCG@1000 of the ranking by prediction, of accuracies in percent; NaN for other quantities.
    seconds
        Of the processor, for fitting and predicting.
    """

    kendall: float
    spearman: float
    ndcg: float
    seconds: float


def drawn(count: int, trainings: int, seed: int, draw: int) -> tuple[Places, Places]:
    """Return which architectures are trained in a draw, and all others.

    Those of fewer trainings are among those of more, so that curves of one draw can be compared
    along their length; what is learned from, and for what, does not change them.

    Parameters
    ----------
    count
        Number of architectures.
    trainings
        How many are trained, fewer than ``count``.
    seed, draw
        Root seed and number of the draw.
    """
    if not 0 < trainings < count:
        raise ValueError(f"expected fewer than {count} trainings and at least one: {trainings}")
    order = stream(seed, "learned/draw", draw).permutation(count)
    return order[:trainings], order[trainings:]


def predictions(
    features: Floats, truth: Floats, trained: Places, others: Places, *, trees: int, seed: int
) -> Floats:
    """Return what a forest that was fitted to the trained architectures predicts for the others.

    Parameters
    ----------
    features
        (arch, feature), finite.
    truth
        (arch,); only that of the trained architectures is looked at.
    """
    forest = RandomForestRegressor(n_estimators=trees, random_state=seed, n_jobs=1)
    forest.fit(features[trained], truth[trained])
    return np.asarray(forest.predict(features[others]), dtype=np.float64)


def learned(
    features: Floats,
    truth: Floats,
    trainings: int,
    *,
    trees: int,
    seed: int,
    draw: int,
    percent: bool = True,
) -> Learned:
    """Return how well a forest ranks after a draw of trainings; parameters as above.

    Parameters
    ----------
    percent
        Whether the truth is an accuracy in percent.
    """
    trained, others = drawn(len(truth), trainings, seed, draw)
    own = int(stream(seed, "learned/forest", draw).integers(2**31))
    start = time.process_time()
    predicted = predictions(features, truth, trained, others, trees=trees, seed=own)
    seconds = time.process_time() - start
    kendall, spearman = PairedRanks(predicted, truth[others]).chosen(("kendall", "spearman"))
    ndcg = ndcg_at(predicted, truth[others]) if percent else float("nan")
    return Learned(kendall, spearman, ndcg, seconds)


def as_features(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores of proxies as features, all of them finite.

    A score of −∞ and one that failed become the worst finite score of the proxy among these
    architectures, one of ∞ the best. A proxy without a finite score is left out.
    """
    found = {}
    for proxy in scores:
        values = scores[proxy].to_numpy(dtype=np.float64)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
            filled = np.nan_to_num(values, nan=low, neginf=low, posinf=high)
            found[str(proxy)] = np.clip(filled, -LARGEST, LARGEST)
    return pd.DataFrame(found, index=scores.index)
