"""Every proxy on several spaces: whether what holds on one of them holds on the others."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line, is_stand_in
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, interval, plain, shown_as
from trainfree.analysis.inputs import (
    Floats,
    Target,
    accuracy_of,
    outcome_title,
    read_benchmark,
    target_of,
    texts,
)
from trainfree.analysis.proxies.correlations import correlate
from trainfree.analysis.proxies.proxy_scores import ProxyScores, read_proxy_scores
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.spaces.published_across import PublishedRanking, read_published_across
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.analysis.statistics.top_ranks import ndcg, top_precision
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.randomness import stream
from trainfree.trainings import headline, known_outcomes, trainings_on

if TYPE_CHECKING:
    import xarray as xr

RANKED = ("spearman", "kendall")
OF_THE_BEST = {"top_precision": top_precision, "ndcg": ndcg}
MEASURED = tuple(
    name + bound for name in (*RANKED, *OF_THE_BEST) for bound in ("", "_low", "_high")
)
REAL, STAND_IN, NOISE = "real", "stand-in", "noise"
_SHOWN = shown_as(
    {
        "Space": plain("space"),
        "Accuracy": lambda row: outcome_title(row["target"]),
        "Images": plain("images"),
        "Proxy": plain("proxy"),
        "n": count("n"),
        "Spearman ρ": interval("spearman"),
        "published ρ": lambda row: _published(row, "published_spearman"),
        "Kendall τ-b": interval("kendall"),
        "published τ": lambda row: _published(row, "published_kendall"),
        "precision of the top 10 %": interval("top_precision"),
        "nDCG of the top 10 %": interval("ndcg"),
        "without a score": count("without_score"),
    }
)


def _published(row: Mapping[Hashable, Any], column: str) -> str:
    value = row[column]
    printed = f"{value:.3g}".replace("-", "−")
    return "" if pd.isna(value) else f"{printed} ({row['published_in']})"


def _best_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: spaces in their order, best proxies first."""
    keys = list(zip(frame["space"], frame["dataset"], strict=True))
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    placed = frame.assign(place=[places[key] for key in keys])
    return _SHOWN(placed.sort_values(["place", "spearman"], ascending=[True, False], kind="stable"))


@table(
    title="Proxies on several spaces: rank correlation with trained accuracy, and quality "
    "within the best tenth",
    columns=(
        *text("space", "dataset", "setting", "proxy", "target", "images"),
        *numbers("n", "infinite", "without_score", *MEASURED, "resamples"),
        *text("note"),
        *numbers("published_spearman", "published_kendall"),
        *text("published_in"),
    ),
    shown=_best_first,
    reads=("scores", "benchmarks", "published_across"),
    of="across",
    target="spaces",
    settings=RESAMPLING,
    section="spaces",
    rank=1,
    minutes=60,
)
def spaces(inputs: Inputs) -> Made:
    """Return a row for each proxy on each data set of each space.

    The accuracy is the one that the space's tables report: test rather than validation, after the
    most epochs. Intervals are 95 % percentile bootstrap intervals over architectures.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or a space has no benchmark or no accuracy.
    """
    trained = {path: read_benchmark(path) for path in inputs.some("benchmarks")}
    by_space = {str(data.attrs["space"]): path for path, data in trained.items()}
    published = read_published_across(inputs.file("published_across"))
    rows: list[dict[str, object]] = []
    files = []
    for path in inputs.some("scores"):
        scored = read_proxy_scores(path)
        files.append(scored.data)
        space = scored.settings["space"]
        if space not in by_space:
            raise DataFileError(
                f"{path}: expected a benchmark of {space}, found those of {', '.join(by_space)}"
            )
        origin = by_space[space]
        target = reported_accuracy(trained[origin], scored.settings["dataset"], origin)
        accuracy = accuracy_of(target, scored.data, path, origin)
        rows.extend(_rows(scored, target, accuracy, inputs.settings, published))
    return Made(rows, data_line([*files, *trained.values()], apart="setting"))


def reported_accuracy(benchmark: xr.Dataset, dataset: str, origin: Path) -> Target:
    """Return the accuracy that is reported of an image set, validation where there is no other.

    Raises
    ------
    DataFileError
        When the benchmark has none.
    """
    outcome = headline(known_outcomes(benchmark), dataset)
    target = None if outcome is None else target_of(benchmark, outcome)
    if target is None:
        names = ", ".join(texts(benchmark["dataset"]))
        raise DataFileError(
            f"{origin}: expected accuracies of {' or '.join(trainings_on(dataset))} to compare the "
            f"scores on {dataset} with, found {names}; name another data set of the space in "
            "across.spaces"
        )
    return target


def images_of(attributes: Mapping[Any, Any]) -> str:
    """Return what the scores of a file saw: real images, stand-ins or noise."""
    if str(attributes.get("input", "images")) == "gaussian":
        return NOISE
    return STAND_IN if is_stand_in(attributes) else REAL


def _rows(
    scored: ProxyScores,
    target: Target,
    accuracy: Floats,
    settings: AnalysisSettings,
    published: list[PublishedRanking],
) -> Iterator[dict[str, object]]:
    seen = images_of(scored.data.attrs)
    for proxy in map(str, scored.scores):
        score = scored.scores[proxy].to_numpy(dtype=float)
        known = ~np.isnan(score) & ~np.isnan(accuracy)
        row = measured(score[known], accuracy[known], settings)
        place = (scored.settings["space"], scored.settings["dataset"], proxy)
        beside = next((one for one in published if one.place == place), None)
        yield {
            **scored.settings,
            "proxy": proxy,
            "target": target.name,
            "images": seen,
            "n": int(known.sum()),
            "infinite": int(np.isinf(score[known]).sum()),
            "without_score": int((~known).sum()),
            **row,
            "published_spearman": np.nan if beside is None else beside.spearman,
            "published_kendall": np.nan if beside is None else beside.kendall,
            "published_in": "" if beside is None else beside.source,
        }


def measured(score: Floats, accuracy: Floats, settings: AnalysisSettings) -> dict[str, object]:
    """Return all measures with their intervals; NaN with a note where they are not defined."""
    resamples, seed = settings.bootstrap_resamples, settings.seed
    found = correlate(score, accuracy, resamples, seed)
    row: dict[str, object] = dict.fromkeys(MEASURED, np.nan)
    row |= {name: found[name] for name in (*MEASURED, "resamples", "note") if name in found}
    if not found["resamples"]:
        return row
    rng = stream(seed, "bootstrap-top")
    n = len(score)
    draws = [rng.integers(n, size=n) for _ in range(resamples)]
    for name, measure in OF_THE_BEST.items():
        row[name] = measure(score, accuracy)
        drawn = np.array([measure(score[chosen], accuracy[chosen]) for chosen in draws])
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(drawn)
    return row
