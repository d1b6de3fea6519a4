"""How well scores rank architectures: rank correlations with trained accuracy.

Each proxy is compared with each target twice: over all architectures that have a score, where
-inf ranks lowest, and over those with a finite score. What is left out is counted by reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, joined, plain
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    Floats,
    accuracy_of,
    floats,
    outcome_title,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
    value_counts,
)
from trainfree.analysis.papers.draws import Correlated
from trainfree.analysis.papers.published_correlations import published_beside
from trainfree.analysis.published import Published
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import (
    STATISTICS,
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.tables import numbers, text
from trainfree.randomness import stream

if TYPE_CHECKING:
    import xarray as xr

ROWS = ("all", "finite")
FEWEST_PAIRS = 3


@table(
    title="Correlation of scores with trained accuracy",
    columns=(
        *text("space", "dataset", "setting", "proxy", "target", "rows"),
        *numbers("n", "infinite", "excluded"),
        *text("excluded_because"),
        *numbers(*(name + bound for name in STATISTICS for bound in ("", "_low", "_high"))),
        *numbers("resamples"),
        *text("note"),
        *numbers("published_kendall"),
        *text("comparable"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Proxy": plain("proxy"),
        "Accuracy": lambda row: outcome_title(row["target"]),
        "Rows": plain("rows"),
        "n": count("n"),
        "Excluded": lambda row: row["excluded_because"] or "none",
        "Kendall τ-b": interval("kendall"),
        "Published τ": decimal("published_kendall", 3),
        "Spearman ρ": interval("spearman"),
        "Pearson r": interval("pearson"),
        "Note": joined("note", "comparable"),
    },
    once=("Data set", "Setting"),
    reads=("scores", "benchmark", "published"),
    settings=RESAMPLING,
    section="ranking",
    rank=1,
    memory_mb=1000,
    minutes=30,
)
def correlations(inputs: Inputs) -> Made:
    """Return the rank correlations of each proxy with each target.

    Tables of the same length share their bootstrap resamples, so that proxies are compared on the
    same draws. The first paper's tau is put beside where the target is the same data set's test
    accuracy.

    Raises
    ------
    DataFileError
        When there are no scores, or a file is damaged or does not fit the others.
    """
    benchmark = inputs.file("benchmark")
    trained = read_benchmark(benchmark)
    files = {path: read_scores(path) for path in inputs.scored}
    settings, beside = inputs.settings, inputs.first_paper
    rows = [
        row
        for path, scored in files.items()
        for row in _file_rows(path, scored, benchmark, trained, settings, beside)
    ]
    return Made(rows, data_line([*files.values(), trained]))


def _file_rows(
    path: Path,
    scored: xr.Dataset,
    benchmark: Path,
    trained: xr.Dataset,
    settings: AnalysisSettings,
    published: Published | None,
) -> Iterator[dict[str, Any]]:
    named = score_settings(scored, path)
    for target in targets(trained, named["dataset"], benchmark):
        accuracy = accuracy_of(target, scored, path, benchmark)
        for proxy in texts(scored["proxy"]):
            beside = _published_beside(
                published, named["space"], Correlated(named["dataset"], proxy, target.name)
            )
            yield from (
                {**named, "proxy": proxy, "target": target.name, **row, **beside}
                for row in _proxy_rows(scored, proxy, accuracy, settings)
            )


def _published_beside(published: Published | None, space: str, of: Correlated) -> dict[str, Any]:
    beside = None if published is None else published_beside([published], space, of)
    value, comparable = beside or (np.nan, "")
    return {"published_kendall": value, "comparable": comparable}


def _proxy_rows(
    scored: xr.Dataset, proxy: str, accuracy: Floats, settings: AnalysisSettings
) -> Iterator[dict[str, Any]]:
    """Yield the two rows of one proxy and target; the second repeats the first if it may."""
    score = floats(scored["score"].sel(proxy=proxy))
    reasons = exclusion_reasons(score, status_names(scored, proxy), accuracy)
    statistics: dict[str, Any] = {}
    previous = None
    for rows in ROWS:
        excluded = reasons[rows][reasons[rows] != ""]
        kept = reasons[rows] == ""
        if previous is None or (kept != previous).any():
            resamples, seed = settings.bootstrap_resamples, settings.seed
            statistics = correlate(score[kept], accuracy[kept], resamples, seed)
        previous = kept
        yield {
            "rows": rows,
            "n": int(kept.sum()),
            "infinite": int(np.isinf(score[kept]).sum()),
            "excluded": len(excluded),
            "excluded_because": value_counts(excluded),
            **statistics,
        }


def exclusion_reasons(score: Floats, status: Any, accuracy: Floats) -> dict[str, Any]:
    """Return why each architecture is left out, for both versions of the rows; empty: kept.

    A score counts in ``all`` when its status is ok or singular and it is finite or -inf; in
    ``finite`` when it is finite as well.
    """
    reason = np.where(np.isin(status, USABLE_STATUSES), "", status).astype(object)
    reason[(reason == "") & (np.isnan(score) | np.isposinf(score))] = "without a usable score"
    reason[(reason == "") & np.isnan(accuracy)] = "without accuracy"
    finite = reason.copy()
    infinite = (reason == "") & np.isneginf(score)
    finite[infinite] = np.where(status == "ok", "-inf", status)[infinite]
    return {"all": reason, "finite": finite}


def correlate(score: Floats, accuracy: Floats, resamples: int, seed: int) -> dict[str, Any]:
    """Return the three statistics, their 95 % bootstrap intervals and a note.

    A statistic that is not defined is NaN, and the note says why.
    """
    empty = {name + bound: np.nan for name in STATISTICS for bound in ("", "_low", "_high")}
    obstacle = _obstacle(score, accuracy)
    if obstacle:
        return {**empty, "resamples": 0, "note": obstacle}
    pairs = PairedRanks(score, accuracy)
    drawn = bootstrap(pairs, resamples, stream(seed, "bootstrap"))
    found: dict[str, Any] = dict(empty)
    for column, (name, value) in enumerate(pairs.statistics()._asdict().items()):
        found[name] = value
        found[f"{name}_low"], found[f"{name}_high"] = percentile_interval(drawn[:, column])
    notes = []
    if np.isinf(score).any():
        notes.append("Pearson undefined with -inf")
    if np.isnan(drawn[:, 0]).any():
        notes.append("no interval: some resamples are constant")
    return {**found, "resamples": resamples, "note": "; ".join(notes)}


def _obstacle(score: Floats, accuracy: Floats) -> str:
    if len(score) < FEWEST_PAIRS:
        return f"undefined: only {len(score)} usable architectures"
    if (score == score[0]).all():
        return "undefined: the score is the same for all architectures"
    if (accuracy == accuracy[0]).all():
        return "undefined: the accuracy is the same for all architectures"
    return ""
