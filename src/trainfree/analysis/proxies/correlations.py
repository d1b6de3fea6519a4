"""How well scores rank architectures: rank correlations with trained accuracy.

Each proxy is compared with each target twice: over all architectures that have a score, where
-inf ranks lowest, and over those with a finite score. What is left out is counted by reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.data_line import data_line
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
from trainfree.analysis.published import Published, read_published
from trainfree.analysis.statistics.rank_statistics import (
    STATISTICS,
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.tables import number, with_interval, without_constants, write_tables
from trainfree.randomness import stream

TITLE = "Correlation of scores with trained accuracy"
ROWS = ("all", "finite")
FEWEST_PAIRS = 3
COLUMNS = (
    *("space", "dataset", "setting", "proxy", "target", "rows", "n", "infinite", "excluded"),
    "excluded_because",
    *(name + bound for name in STATISTICS for bound in ("", "_low", "_high")),
    *("resamples", "note", "published_kendall", "comparable"),
)


def tabulate_correlations(
    scores: Sequence[Path],
    benchmark: Path,
    output_stem: Path,
    resamples: int,
    seed: int,
    published: Path | None = None,
) -> pd.DataFrame:
    """Write the table of correlations and return it.

    Parameters
    ----------
    scores
        Merged scores files of one space.
    benchmark
        The benchmark file of that space.
    output_stem
        ``results/tables/correlations``; the suffixes .csv, .md and .tex are added.
    resamples
        Bootstrap resamples behind each 95 % percentile interval.
    seed
        The root seed. Tables of the same length share their resamples, so that proxies are
        compared on the same draws.
    published
        The papers' numbers; their tau is put beside where the target is the same data set's
        test accuracy.

    Raises
    ------
    DataFileError
        When a file is missing, damaged or does not fit the others.
    """
    trained = read_benchmark(benchmark)
    beside = None if published is None else read_published(published)
    files = {path: read_scores(path) for path in scores}
    rows = [
        row
        for path, scored in files.items()
        for row in _file_rows(path, scored, benchmark, trained, resamples, seed, beside)
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = data_line([*files.values(), trained])
    write_tables(frame, *show_correlations(frame), made_from, output_stem)
    return frame


def show_correlations(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the table for readers and its title: each statistic with its interval in one cell."""
    shown = pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Setting": frame["setting"],
            "Proxy": frame["proxy"],
            "Accuracy": frame["target"].map(outcome_title),
            "Rows": frame["rows"],
            "n": [number(n, 0) for n in frame["n"]],
            "Excluded": frame["excluded_because"].fillna("").replace("", "none"),
        }
    )
    for name, title in zip(STATISTICS, ("Kendall τ-b", "Spearman ρ", "Pearson r"), strict=True):
        columns = (frame[name], frame[f"{name}_low"], frame[f"{name}_high"])
        shown[title] = [with_interval(*cells) for cells in zip(*columns, strict=True)]
        if name == "kendall":
            shown["Published τ"] = [number(value, 3) for value in frame["published_kendall"]]
    notes = zip(frame["note"].fillna(""), frame["comparable"].fillna(""), strict=True)
    shown["Note"] = ["; ".join(part for part in parts if part) for parts in notes]
    return without_constants(shown, ("Data set", "Setting"), TITLE)


def _file_rows(
    path: Path,
    scored: xr.Dataset,
    benchmark: Path,
    trained: xr.Dataset,
    resamples: int,
    seed: int,
    published: Published | None,
) -> Iterator[dict[str, Any]]:
    settings = score_settings(scored, path)
    for target in targets(trained, settings["dataset"], benchmark):
        accuracy = accuracy_of(target, scored, path, benchmark)
        for proxy in texts(scored["proxy"]):
            beside = _published_beside(
                published, settings["space"], Correlated(settings["dataset"], proxy, target.name)
            )
            yield from (
                {**settings, "proxy": proxy, "target": target.name, **row, **beside}
                for row in _proxy_rows(scored, proxy, accuracy, resamples, seed)
            )


def _published_beside(published: Published | None, space: str, of: Correlated) -> dict[str, Any]:
    beside = None if published is None else published_beside([published], space, of)
    value, comparable = beside or (np.nan, "")
    return {"published_kendall": value, "comparable": comparable}


def _proxy_rows(
    scored: xr.Dataset, proxy: str, accuracy: Floats, resamples: int, seed: int
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
