"""The measured number that stands beside a published cell, by the cell's reading.

Accuracies of single architectures are known for the whole space, so that what the papers
estimate by drawing architectures (a random one, the best of N, N sampled ones) is exact here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.papers.draws import DRAWN, Correlated, DrawnTaus, paired, taus_of
from trainfree.analysis.papers.margins import to_next_row
from trainfree.analysis.papers.protocol import obstacle_of_shared, obstacle_to, setting_of
from trainfree.analysis.papers.sharing import Trained
from trainfree.analysis.papers.verdicts import NOT_COMPARABLE, Verdict, judge
from trainfree.analysis.published import Cell, Measure, PublishedTable
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.drawn_runs import draws_of, half_interval, standard_error
from trainfree.analysis.statistics.rank_statistics import (
    bootstrap,
    percentile_interval,
)
from trainfree.randomness import stream

NAN = float("nan")
NORMAL = 1.96
"""Standard errors in half of a 95 % interval."""
OF_SCORES = frozenset(("answer", "best_scored", "tau", "pearson", "sampled", "history"))
OF_SEARCHES = frozenset(("answer", "history"))
"""Readings that scores and searches enter."""


@dataclass(frozen=True)
class Measured:
    """A measured number.

    Attributes
    ----------
    value, spread
        The number and its standard deviation, NaN where there is none.
    low, high
        95 % interval, NaN where the value is exact.
    n
        Runs or architectures behind it.
    error
        Standard error of the value, 0 where it is exact or a correlation.
    reference_error
        Standard error of the published number where the reading tells it, else None.
    """

    value: float
    spread: float
    low: float
    high: float
    n: int
    error: float = 0.0
    reference_error: float | None = None


def measure_cell(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    """Return what of ours stands beside a cell.

    Raises
    ------
    AbsentError
        Naming what it needs and is not there.
    """
    if measure.kind not in READINGS:
        raise AbsentError("nothing here corresponds to it")
    return READINGS[measure.kind](run, measure, settings)


def verdict_on(
    run: RunFiles,
    table: PublishedTable,
    cell: Cell,
    measure: Measure,
    measured: Measured,
    settings: AnalysisSettings,
) -> Verdict:
    """Return the verdict on a cell: what the paper's file or the run say against it wins.

    In another setting than the paper's its words say which.
    """
    obstacle = obstacle_to(run, table, cell, measure)
    if measure.kind == "shared" and obstacle_of_shared(run, measure):
        return Verdict(NOT_COMPARABLE, NAN, "", obstacle)  # another experiment: no distance either
    return judge(
        cell,
        measured.value,
        measured.error,
        settings,
        to_next_row=to_next_row(cell, (other for other, _ in table.cells)),
        reference_error=measured.reference_error,
        obstacle=obstacle,
        setting=setting_of(run, measure, table.batch_size),
    )


def mean_measured(
    values: Floats, settings: AnalysisSettings, draws: NDArray[np.int64] | None = None
) -> Measured:
    """Return mean, standard deviation (ddof 1) and percentile bootstrap interval of the mean.

    Where runs share draws of the scores whose means differ by more than the runs explain, it is the
    Student interval of the draws' means, and the error is half of it over 1.96.
    """
    known = np.isfinite(values)
    values = values[known]
    n = len(values)
    if n == 0:
        return Measured(NAN, NAN, NAN, NAN, 0)
    if n == 1:
        return Measured(float(values[0]), NAN, NAN, NAN, 1, NAN)
    rng = stream(settings.seed, "bootstrap/mean")
    means = values[rng.integers(n, size=(settings.bootstrap_resamples, n))].mean(axis=1)
    low, high = percentile_interval(means)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    error = spread / float(np.sqrt(n))
    if draws is not None:
        between, degrees = standard_error(values, draws[known])
        if degrees < n - 1:
            half = half_interval(between, degrees)
            return Measured(mean, spread, mean - half, mean + half, n, half / NORMAL)
    return Measured(mean, spread, low, high, n, error)


def best_of_n(values: Floats, n: int) -> tuple[float, float]:
    """Return the exact mean and standard deviation of the best of n draws with replacement.

    The best is the k-th smallest of m values with probability (k/m)^n − ((k−1)/m)^n.
    """
    ordered = np.sort(values)
    cumulative = (np.arange(len(ordered) + 1) / len(ordered)) ** n
    weights = np.diff(cumulative)
    mean = float((weights * ordered).sum())
    return mean, float(np.sqrt((weights * (ordered - mean) ** 2).sum()))


def best_scored_of_n(scores: Floats, values: Floats, n: int) -> tuple[float, float]:
    """Return the exact mean and standard deviation of the value of the best-scored of n draws.

    Draws are with replacement; among equal scores each is the best with equal chance.
    """
    known, place = np.unique(scores, return_inverse=True)
    counts = np.bincount(place, minlength=len(known))
    cumulative = np.concatenate([[0.0], np.cumsum(counts) / len(scores)]) ** n
    weights = (np.diff(cumulative) / counts)[place]
    mean = float((weights * values).sum())
    return mean, float(np.sqrt((weights * (values - mean) ** 2).sum()))


def coefficient(both: pd.DataFrame, name: str, settings: AnalysisSettings) -> tuple[float, Floats]:
    """Return one coefficient of scores and accuracies, and those of bootstrap resamples."""
    pairs, rng = paired(both), stream(settings.seed, "bootstrap")
    resampled = bootstrap(pairs, settings.bootstrap_resamples, rng, [name])
    return pairs.chosen([name])[0], resampled[:, 0]


def _answer(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    search = run.search(measure)
    if measure.quantity == "seconds":
        clocks = ("answer_scoring_seconds", "answer_training_seconds")
        present = [floats(search[name].sel(budget=measure.budget)) for name in clocks]
        return mean_measured(np.sum(present, axis=0), settings, draws_of(search))
    if measure.outcome not in search["outcome"]:
        raise AbsentError(f"no accuracies {measure.outcome}")
    answered = search["answer_accuracy"].sel(budget=measure.budget, outcome=measure.outcome)
    return mean_measured(floats(answered), settings, draws_of(search))


def _random(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    return _census(run.accuracy(measure.outcome).dropna().to_numpy(dtype=np.float64))


def _oracle(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    values = run.accuracy(measure.outcome).dropna().to_numpy(dtype=np.float64)
    return Measured(*best_of_n(values, measure.budget), NAN, NAN, len(values))


def _best_scored(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    """Read the best-scored of N of the architectures that were scored, themselves a sample."""
    if measure.quantity == "seconds":
        spent = _proxy_seconds(run, measure)
        n = measure.budget
        return Measured(n * float(spent.mean()), n**0.5 * float(spent.std()), NAN, NAN, len(spent))
    both = run.pairs(measure.dataset, measure.signal, measure.outcome)
    scores = both["score"].to_numpy(dtype=np.float64)
    values = both["accuracy"].to_numpy(dtype=np.float64)
    value, spread = best_scored_of_n(scores, values, measure.budget)
    rng, means = stream(settings.seed, "bootstrap/best-scored"), []
    for _ in range(settings.bootstrap_resamples):
        drawn = rng.integers(len(both), size=len(both))
        means.append(best_scored_of_n(scores[drawn], values[drawn], measure.budget)[0])
    low, high = percentile_interval(np.array(means))
    return Measured(value, spread, low, high, len(both), float(np.std(means, ddof=1)))


def _tau(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    of = Correlated(measure.dataset, measure.signal, measure.outcome)
    both = run.pairs(*of)
    kept = both[both["accuracy"] > measure.least_accuracy]
    if len(kept) <= DRAWN:
        return _tau_of_sample(kept, settings)
    return mean_of_draws(taus_of(run, of, settings, least_accuracy=measure.least_accuracy))


def mean_of_draws(drawn: DrawnTaus) -> Measured:
    """Return mean, standard deviation (ddof 1) and the middle 95 % of the draws.

    The published number is of one draw, so that its standard error is that deviation.
    """
    low, high = percentile_interval(drawn.taus)
    mean, spread = float(drawn.taus.mean()), float(drawn.taus.std(ddof=1))
    return Measured(mean, spread, low, high, drawn.n, reference_error=spread)


def _tau_of_sample(both: pd.DataFrame, settings: AnalysisSettings) -> Measured:
    """Read the tau of a sample that one draw takes whole: its error is that of the sample."""
    tau, resampled = coefficient(both, "kendall", settings)
    low, high = percentile_interval(resampled)
    error = float(np.nanstd(resampled, ddof=1))
    return Measured(tau, NAN, low, high, len(both), error)


def _pearson(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    both = run.pairs(measure.dataset, measure.signal, measure.outcome)
    both = both[np.isfinite(both["score"])]
    r, resampled = coefficient(both, "pearson", settings)
    low, high = percentile_interval(resampled)
    return Measured(r, NAN, low, high, len(both))


def _sampled(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    if measure.quantity == "accuracy":
        return _random(run, measure, settings)
    if measure.quantity == "score":
        return _census(run.score(measure.dataset, measure.signal).to_numpy(dtype=np.float64))
    return _census(_proxy_seconds(run, measure))


def _proxy_seconds(run: RunFiles, measure: Measure) -> Floats:
    scored = run.scores(measure.dataset)
    if "proxy_seconds" not in scored or measure.signal not in scored["proxy"]:
        raise AbsentError(f"no seconds of {measure.signal} on {measure.dataset}")
    found = floats(scored["proxy_seconds"].sel(proxy=measure.signal))
    return found[np.isfinite(found)]


def _history(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    """Read all architectures that each run looked at, but for its first steps where asked.

    The published number is taken for that of one run, so that its standard error is the spread
    between our runs.
    """
    search = run.search(measure)
    steps = slice(measure.after, measure.budget)
    looked = search["trace_arch"].isel(step=steps).to_numpy()
    if measure.quantity == "score":
        values = floats(search["trace_fitness"].isel(step=steps))
    else:
        values = _by_index(run, measure.outcome)[looked]
    values = np.where((looked >= 0) & np.isfinite(values), values, np.nan)
    means, spreads = np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1)
    between = float(means.std(ddof=1)) if len(means) > 1 else NAN
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return Measured(
        value=float(means.mean()),
        spread=float(spreads.mean()),
        low=low,
        high=high,
        n=len(means),
        error=between / float(np.sqrt(len(means))),
        reference_error=between,
    )


def _by_index(run: RunFiles, outcome: str) -> Floats:
    """Return accuracies by architecture index, as search files count architectures."""
    accuracy = run.accuracy(outcome).to_numpy(dtype=np.float64)
    index = run.benchmark["arch"].to_numpy()
    found = np.full(int(index.max()) + 1, np.nan)
    found[index] = accuracy
    return found


def _shared(run: RunFiles, measure: Measure, settings: AnalysisSettings) -> Measured:
    trainings = run.shared.of(measure, run.space)
    if trainings is None:
        raise AbsentError(f"no shared weights of {measure.algorithm} on {measure.dataset}")
    if measure.quantity == "seconds":
        return mean_measured(trainings.each("search_seconds"), settings)
    run.accuracy(measure.outcome)  # an error where there is none
    answers = trainings.each("answer")
    return mean_measured(Trained(run.benchmark).accuracy(measure.outcome, answers), settings)


def _census(values: Floats) -> Measured:
    """Return mean and standard deviation of all architectures: exact, so without an interval."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        raise AbsentError("no finite value")
    return Measured(float(values.mean()), float(values.std()), NAN, NAN, len(values))


Reading = Callable[[RunFiles, Measure, AnalysisSettings], Measured]
READINGS: dict[str, Reading] = {
    "answer": _answer,
    "random": _random,
    "oracle": _oracle,
    "best_scored": _best_scored,
    "tau": _tau,
    "pearson": _pearson,
    "sampled": _sampled,
    "history": _history,
    "shared": _shared,
}
