"""The board: a line a proxy, all on the same architectures, by what its ranking is worth and costs.

The measures are those by which ``trainfree rank`` ranks a list of scores
(:mod:`trainfree.analysis.ranking.board`), so that a list of one's own stands beside these lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import MISSING, Row, count, duration, interval, number, plain
from trainfree.analysis.inputs import outcome_title, read_benchmark
from trainfree.analysis.proxies.proxies import beside_params
from trainfree.analysis.proxies.proxy_scores import ProxyScores, beside_accuracy
from trainfree.analysis.ranking.board import FEWEST, MEASURES, TITLES, Column, Line, make_board
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.analysis.tables import numbers, text

GAIN = "beside_params"
MEASURED = tuple(name + bound for name in (*MEASURES, GAIN) for bound in ("", "_low", "_high"))


def _spread(row: Row) -> str:
    if not row["seeds"] > 1:
        return MISSING
    return f"{number(row['kendall_spread'], 3)} ({number(row['seeds'], 0)} seeds)"


@table(
    title="The board of proxies: what each ranking is worth, and what it costs; a line a proxy, "
    "all on the same architectures, with 95 % intervals; gain over params: ρ of the joint ranks of "
    "proxy and parameters less ρ of parameters alone; ms: a proxy alone, per architecture",
    columns=(
        *text("space", "dataset", "setting", "proxy", "computed_on", "target"),
        *numbers("n", "infinite", "without_score", *MEASURED),
        *numbers("seconds_alone", "seeds", "kendall_spread", "resamples"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Accuracy": lambda row: outcome_title(row["target"]),
        "Proxy": plain("proxy"),
        TITLES["spearman"]: interval("spearman"),
        TITLES["kendall"]: interval("kendall"),
        TITLES["top_kendall"]: interval("top_kendall"),
        TITLES["ndcg"]: interval("ndcg"),
        "Gain over params": interval(GAIN),
        "ms": duration("seconds_alone", 1000),
        "Spread of τ over seeds": _spread,
        "n": count("n"),
        "Own input, weights": plain("computed_on"),
    },
    once=("Data set", "Setting", "Accuracy", "Own input, weights", "Spread of τ over seeds", "n"),
    reads=("board", "benchmark"),
    settings=RESAMPLING,
    section="ranking",
    rank=0,
    memory_mb=1000,
    minutes=30,
)
def proxy_board(inputs: Inputs) -> Made:
    """Return a row for each proxy, best τ-b first.

    Of several seeds the first gives the measures, and all of them the spread: the sample standard
    deviation of τ-b. ``beside_params`` is ρ of the aggregated ranks of proxy and parameters, less
    ρ of the parameters alone.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    benchmark = inputs.file("benchmark")
    known = read_benchmark(benchmark)
    found = list(beside_accuracy(inputs.some("board"), known, benchmark))
    scored, target, truth = found[0]
    there = truth.notna()
    columns = [
        Column(name, scored.scores[name][there].to_numpy(float), own=False)
        for name in map(str, scored.scores)
    ]
    board = make_board(
        columns,
        truth[there].to_numpy(),
        known.sizes["arch"],
        inputs.settings.bootstrap_resamples,
        inputs.settings.seed,
    )
    files = [each.data for each, _, _ in found]
    rows = [
        {
            **scored.settings,
            "target": target,
            **_of_line(line, scored, truth, inputs.settings),
            **_over_seeds(line.column.name, found),
            "resamples": board.resamples,
        }
        for line in board.lines
    ]
    return Made(rows, data_line([*files, known]))


def _of_line(
    line: Line, scored: ProxyScores, truth: pd.Series, settings: AnalysisSettings
) -> dict[str, Any]:
    name = line.column.name
    row: dict[str, Any] = {
        "proxy": name,
        "computed_on": scored.computed_on[name],
        "n": line.n,
        "infinite": line.infinite,
        "without_score": len(truth) - line.n,
        "seconds_alone": scored.cost[name],
    }
    for measure in MEASURES:
        row[measure] = line.measured[measure]
        row[f"{measure}_low"], row[f"{measure}_high"] = line.intervals[measure]
    score = scored.scores[name]
    kept = _ranked(score, truth)
    if line.n >= FEWEST and score[kept].min() < score[kept].max():
        row |= beside_params(score[kept], truth[kept], scored.params[kept], settings)
    return {key: value for key, value in row.items() if key != "spearman_given_params"}


def _over_seeds(
    name: str, found: Sequence[tuple[ProxyScores, str, pd.Series]]
) -> dict[str, float | int]:
    """Return the number of seeds of a proxy, and the spread of τ-b over them; NaN of one."""
    values = list(_each_seed(name, found))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return {"seeds": len(values), "kendall_spread": spread}


def _each_seed(name: str, found: Sequence[tuple[ProxyScores, str, pd.Series]]) -> Iterator[float]:
    for scored, _, truth in found:
        if name in scored.scores:
            score = scored.scores[name]
            kept = _ranked(score, truth)
            if kept.sum() >= FEWEST:
                pairs = PairedRanks(score[kept].to_numpy(float), truth[kept].to_numpy())
                yield pairs.chosen(["kendall"])[0]


def _ranked(score: pd.Series, truth: pd.Series) -> pd.Series:
    """Return of which architectures, (arch,), score and accuracy are known; +∞ is no score."""
    return score.notna() & ~np.isposinf(score) & truth.notna()
