"""How well shared weights rank architectures, with the same interval as that of scores."""

from __future__ import annotations

import numpy as np

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.papers.sharing import Trained, Trainings
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    bootstrap_counts,
    percentile_interval,
)
from trainfree.errors import DataFileError
from trainfree.randomness import stream

RANKINGS = ("kendall", "spearman")
BOUNDS = ("", "_std", "_low", "_high")
AGREEMENT = ("ranked", *(name + bound for name in RANKINGS for bound in BOUNDS))
"""Columns of what :func:`agreement` returns."""
FEWEST = 3
"""Architectures below which nothing is said of a ranking."""


def trainings_in(inputs: Inputs) -> list[Trainings]:
    """Return the trainings of shared weights, of the space of the trained accuracies.

    Raises
    ------
    DataFileError
        When there is none, one is damaged, or one is of another space.
    """
    inputs.some("shared")
    found = inputs.run.shared.trainings
    if not found:
        raise DataFileError(
            "expected files of shared weights, found none that is there; name methods in the "
            "section weight_sharing of the configuration and run the target weight_sharing"
        )
    for trainings in found:
        space = str(trainings.attributes["space"])
        if not inputs.run.is_of(space):
            raise DataFileError(
                f"{inputs.file('benchmark')}: expected accuracies of {space}, of which the shared "
                f"weights are, found those of {inputs.run.space}; name the benchmark of {space}"
            )
    return found


def shared_agreement(
    trainings: Trainings, trained: Trained, outcome: str, settings: AnalysisSettings
) -> dict[str, float]:
    """Return how shared accuracies rank the architectures that every run of them has ranked."""
    ranked = trainings.ranked
    if not ranked:
        return agreement(np.empty((1, 0)), np.empty(0), settings)
    accuracy = trained.accuracy(outcome, ranked)
    return agreement(trainings.each("shared_accuracy"), accuracy, settings)


def agreement(scores: Floats, accuracy: Floats, settings: AnalysisSettings) -> dict[str, float]:
    """Return Kendall's tau-b and Spearman's rho with trained accuracy, mean over runs.

    The deviation is that between runs (ddof 1); the interval is a percentile bootstrap over
    architectures, which all runs share. It does not hold what other runs would give.

    Parameters
    ----------
    scores
        (run, arch); an architecture that has none in a run is left out.
    accuracy
        (arch,) in percent, NaN where nobody has trained it.

    Returns
    -------
    dict
        By the names of :data:`AGREEMENT`; NaN where nothing is defined.
    """
    usable = ~np.isnan(accuracy) & ~np.isnan(scores).any(axis=0)
    count = int(usable.sum())
    found = {**dict.fromkeys(AGREEMENT, np.nan), "ranked": float(count)}
    if count < FEWEST:
        return found
    runs = [PairedRanks(run[usable], accuracy[usable]) for run in scores]
    own = np.array([run.chosen(RANKINGS) for run in runs])
    rng = stream(settings.seed, "bootstrap")
    drawn = np.array(
        [
            np.mean([run.chosen(RANKINGS, counts) for run in runs], axis=0)
            for counts in bootstrap_counts(count, settings.bootstrap_resamples, rng)
        ]
    )
    for place, name in enumerate(RANKINGS):
        low, high = percentile_interval(drawn[:, place])
        mean, std = mean_and_std(own[:, place])
        found |= {name: mean, f"{name}_std": std, f"{name}_low": low, f"{name}_high": high}
    return found


def mean_ranking_seconds(trainings: Trainings) -> float:
    """Return what ranking took once the weights were trained, mean over runs."""
    return float(np.mean([floats(file["shared_seconds"]).sum() for file in trainings.files]))


def mean_and_std(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation (ddof 1) of the known values, NaN where undefined."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else np.nan
