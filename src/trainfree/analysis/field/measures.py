"""What of ours stands beside a printed number on proxies: a statistic under each seed.

Each seed of a sampled run has architectures of its own, so that the mean over the seeds errs as a
sample of all of them together; its interval is a bootstrap over the architectures of each. Where
all were scored, what is left is the spread between the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trainfree.analysis.field.cells import Column, Row, Statistic
from trainfree.analysis.field.scored import FieldScores
from trainfree.analysis.inputs import Floats
from trainfree.analysis.papers.measures import Measured
from trainfree.analysis.run_files import AbsentError
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.exponential_gain import (
    PUBLISHED_K,
    Infinite,
    Integers,
    best_of_draws,
    ndcg_at,
    precision_at,
    spread_of_orders,
)
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    mean_ranks,
    percentile_interval,
)
from trainfree.randomness import stream

DRAWS, DRAWN = 5, 3000
"""AZ-NAS looks for the best of so many architectures, and draws them so often."""
FEWEST_FOR_NDCG = PUBLISHED_K
"""A smaller sample has too few of the best architectures for an estimate to stand beside print."""
ACCURACY = "accuracy"
"""The signal of the optimum: it looks at the trained accuracy itself."""


@dataclass(frozen=True)
class Population:
    """The architectures that a table ranks.

    Attributes
    ----------
    subset
        The part of the space; empty: all.
    infinite
        What becomes of scores that are not finite.
    accuracy
        Trained accuracies by architecture, of the whole part.
    """

    subset: str
    infinite: Infinite
    accuracy: pd.Series

    def __len__(self) -> int:
        return len(self.accuracy)


@dataclass(frozen=True)
class Found:
    """A measured number with what it rests on.

    Attributes
    ----------
    measured
        Mean over the seeds, their spread, interval and error.
    seeds, population
        Seeds, and the architectures that those scored are drawn from.
    obstacle
        Why it cannot stand beside a printed one; empty if it can.
    """

    measured: Measured
    seeds: int
    population: int
    obstacle: str = ""


Value = Callable[[Floats, Floats], float]


def measure(
    scored: FieldScores,
    row: Row,
    column: Column,
    population: Population,
    settings: AnalysisSettings,
) -> Found:
    """Return what of ours stands beside a cell of a row and a column.

    Raises
    ------
    AbsentError
        Naming what is not there.
    """
    if column.statistic == "milliseconds":
        return _cost(scored, row, column)
    if column.statistic == "best_of_3000":
        return _search(scored, row, column, population, settings)
    signals = scored.signals(column.dataset, row, population.subset, population.infinite)
    pairs = [paired_with(signal.scores, population.accuracy) for signal in signals]
    value = statistic(column.statistic, len(population))
    found = over_seeds(pairs, value, len(population), settings)
    n, obstacle, measured = found.measured.n, "", found.measured
    if column.statistic == "ndcg":
        rng = stream(settings.seed, "field/ties")
        measured = replace(measured, reference_error=spread_of_orders(*pairs[0], rng))
    if column.statistic == "ndcg" and n < min(FEWEST_FOR_NDCG, len(population)):
        obstacle = (
            f"an estimate from {n:,} of {len(population):,} architectures, fewer than the "
            f"{PUBLISHED_K:,} places that count"
        )
    return Found(measured, found.seeds, found.population, obstacle)


def statistic(name: Statistic, population: int) -> Value:
    """Return a statistic of scores and accuracies that are a sample of a population."""

    def value(score: Floats, accuracy: Floats) -> float:
        if name == "ndcg":
            return ndcg_at(score, accuracy, population=population)
        pairs = PairedRanks(score, accuracy)
        found = pairs.chosen(["kendall" if name == "kendall" else "spearman"])[0]
        return abs(found) if name == "abs_spearman" else found

    return value


def head_precision(population: int) -> Value:
    """Return the precision among the best 1,000 of a population, or their share of a sample."""

    def value(score: Floats, accuracy: Floats) -> float:
        return precision_at(score, accuracy, head_size(len(score), population))

    return value


def head_size(n: int, population: int) -> int:
    """Return how many of a sample stand for the best 1,000 of the population, at least one."""
    return min(n, max(1, round(PUBLISHED_K * n / population)))


def over_seeds(
    pairs: Sequence[tuple[Floats, Floats]],
    value: Value,
    population: int,
    settings: AnalysisSettings,
) -> Found:
    """Return a statistic's mean over the seeds with its interval and error.

    Parameters
    ----------
    pairs
        Scores and accuracies of each seed.
    population
        Architectures that each seed's are drawn from.
    """
    values = np.array([value(*pair) for pair in pairs])
    n, k = min(len(score) for score, _ in pairs), len(pairs)
    spread = float(values.std(ddof=1)) if k > 1 else np.nan
    if n >= population:
        error = spread / np.sqrt(k) if k > 1 else 0.0
        measured = Measured(float(values.mean()), spread, np.nan, np.nan, n, float(error))
        return Found(measured, k, population)
    resampled = np.mean(
        [_resampled(pair, value, settings, place) for place, pair in enumerate(pairs)], axis=0
    )
    low, high = percentile_interval(resampled)
    error = float(np.nanstd(resampled, ddof=1))
    return Found(Measured(float(values.mean()), spread, low, high, n, error), k, population)


def _resampled(
    pair: tuple[Floats, Floats], value: Value, settings: AnalysisSettings, place: int
) -> Floats:
    score, accuracy = pair
    rng = stream(settings.seed, "bootstrap/field", place)
    found = []
    for _ in range(settings.bootstrap_resamples):
        drawn = rng.integers(len(score), size=len(score))
        found.append(value(score[drawn], accuracy[drawn]))
    return np.array(found)


def paired_with(scores: pd.Series, accuracy: pd.Series) -> tuple[Floats, Floats]:
    """Return scores and accuracies of the architectures that have both, or raise AbsentError."""
    both = pd.DataFrame({"score": scores, "accuracy": accuracy.reindex(scores.index)}).dropna()
    if len(both) < 3:
        raise AbsentError("fewer than 3 architectures have a score and an accuracy")
    return both["score"].to_numpy(dtype=np.float64), both["accuracy"].to_numpy(dtype=np.float64)


def _search(
    scored: FieldScores,
    row: Row,
    column: Column,
    population: Population,
    settings: AnalysisSettings,
) -> Found:
    """Look for the best of 3,000 by score; the draws are the same for all methods.

    With as many seeds as draws the r-th draw is looked at under the r-th seed.
    """
    accuracy = population.accuracy.sort_index()
    draws = drawn_architectures(len(accuracy), settings)
    if row.signal == ACCURACY:
        series = [accuracy]
    else:
        signals = scored.signals(column.dataset, row, population.subset, population.infinite)
        series = [signal.scores for signal in signals]
    fewest = min(len(scores) for scores in series)
    if fewest < len(accuracy):
        raise AbsentError(
            f"needs the scores of all {len(accuracy):,} architectures, {fewest:,} were scored"
        )
    looked = [mean_ranks(scores.reindex(accuracy.index).to_numpy()) for scores in series]
    values = accuracy.to_numpy(dtype=np.float64)
    found = np.array(
        [
            best_of_draws(looked[place % len(looked)], values, [drawn])[0]
            for place, drawn in enumerate(draws)
        ]
    )
    spread = float(found.std(ddof=1))
    error = spread / float(np.sqrt(len(found)))
    measured = Measured(float(found.mean()), spread, np.nan, np.nan, len(accuracy), error)
    return Found(measured, len(series), len(accuracy))


def drawn_architectures(count: int, settings: AnalysisSettings) -> list[Integers]:
    """Return the places of the architectures of each draw, without replacement."""
    return [
        stream(settings.seed, "field/search", draw).permutation(count)[:DRAWN]
        for draw in range(DRAWS)
    ]


def _cost(scored: FieldScores, row: Row, column: Column) -> Found:
    costs = np.array(scored.milliseconds(column.dataset, row))
    spread = float(costs.std(ddof=1)) if len(costs) > 1 else np.nan
    measured = Measured(float(costs.mean()), spread, np.nan, np.nan, len(costs))
    return Found(measured, len(costs), 0, "other hardware")
