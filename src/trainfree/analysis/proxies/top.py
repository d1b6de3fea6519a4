"""What each proxy is worth among the best architectures, where a search has to choose.

Whole-space correlation rests on telling bad architectures from good ones. Here are the rank
correlations inside the best 10 %, 5 % and 1 % by accuracy, and which part of as many that the proxy
puts first is among them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, interval, plain
from trainfree.analysis.inputs import Floats, outcome_title, read_benchmark
from trainfree.analysis.proxies.proxy_scores import beside_accuracy
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.statistics.top_ranks import top_precision
from trainfree.analysis.tables import numbers, text
from trainfree.randomness import stream

SHARES = (1.0, 0.1, 0.05, 0.01)
"""The whole, to compare with, and its best parts."""
FEWEST = 10
"""A part of fewer architectures says nothing of an order."""
MEASURES = ("kendall", "spearman", "precision")
BOUNDS = ("", "_low", "_high")


@table(
    title="Proxies among the best architectures by accuracy: rank correlations within the "
    "subset, and precision: the share of equally many best by score that is in it. Subsets of "
    f"fewer than {FEWEST} architectures are omitted; 95 % bootstrap intervals over architectures, "
    "with the subset selected in each resample",
    columns=(
        *text("space", "dataset", "setting", "proxy", "target"),
        *numbers("share", "n", "of", *(name + bound for name in MEASURES for bound in BOUNDS)),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Accuracy": lambda row: outcome_title(str(row["target"])),
        "Proxy": plain("proxy"),
        "Best": lambda row: "all" if row["share"] == 1 else f"{100 * row['share']:g} %",
        "n": count("n"),
        "Kendall τ-b": interval("kendall"),
        "Spearman ρ": interval("spearman"),
        "Precision": interval("precision"),
    },
    once=("Data set", "Setting", "Accuracy"),
    reads=("scores", "benchmark"),
    target="proxy_tables",
    settings=RESAMPLING,
    section="proxies",
    rank=5,
    minutes=60,
)
def top(inputs: Inputs) -> Made:
    """Return a row for each proxy or combination and part; −inf ranks lowest.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    benchmark = inputs.file("benchmark")
    known = read_benchmark(benchmark)
    rows: list[dict[str, object]] = []
    files = []
    for scored, target, truth in beside_accuracy(inputs.some("scores"), known, benchmark):
        files.append(scored.data)
        for proxy in map(str, scored.scores):
            both = pd.DataFrame({"score": scored.scores[proxy], "accuracy": truth}).dropna()
            named = {**scored.settings, "proxy": proxy, "target": target}
            for row in _parts(both, inputs.settings):
                rows.append({**named, **row})
    return Made(rows, data_line([*files, known]))


def _parts(both: pd.DataFrame, settings: AnalysisSettings) -> Iterator[dict[str, object]]:
    score, accuracy = (both[name].to_numpy(dtype=np.float64) for name in ("score", "accuracy"))
    for share in SHARES:
        inside = best(accuracy, share)
        if inside.sum() < FEWEST:
            continue
        row: dict[str, object] = {"share": share, "n": int(inside.sum()), "of": len(accuracy)}
        pairs = PairedRanks(score[inside], accuracy[inside])
        names = ["kendall", "spearman"]
        rng = stream(settings.seed, "bootstrap")
        drawn = bootstrap(pairs, settings.bootstrap_resamples, rng, names)
        for place, (name, value) in enumerate(zip(names, pairs.chosen(names), strict=True)):
            row[name] = value
            row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(drawn[:, place])
        if share < 1:
            row |= _precision(score, accuracy, share, settings)
        yield row


def best(accuracy: Floats, share: float) -> np.ndarray:
    """Return (arch,) which architectures are the best part by accuracy, equal ones included."""
    return np.asarray(accuracy >= np.quantile(accuracy, 1 - share))


def _precision(
    score: Floats, accuracy: Floats, share: float, settings: AnalysisSettings
) -> dict[str, object]:
    rng = stream(settings.seed, "bootstrap/top")
    n, found = len(score), []
    for _ in range(settings.bootstrap_resamples):
        drawn = rng.integers(n, size=n)
        found.append(top_precision(score[drawn], accuracy[drawn], share))
    low, high = percentile_interval(np.array(found))
    value = top_precision(score, accuracy, share)
    return {"precision": value, "precision_low": low, "precision_high": high}
