"""Kendall's tau of scores and final accuracy: by the paper's protocol and on parts of the space.

The paper draws at most 1,000 architectures above 15 % accuracy. Beside that stand the whole
space, the parts that the space names (in NAS-Bench-201 the cells whose output depends on the
input), and the best tenth, where a search has to choose. Scores of -inf rank lowest, or are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.declaration import JUDGING, RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, plain
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.papers.draws import DRAWN, LEAST_ACCURACY, taus_of
from trainfree.analysis.papers.measures import Measured, coefficient, mean_of_draws
from trainfree.analysis.papers.published_correlations import Row, rows_with_other_spaces
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.analysis.statistics.subsets import subsets_of
from trainfree.analysis.tables import numbers, text

TITLE = (
    "Kendall's τ-b of scores and {accuracy}; the paper's protocol is the mean "
    "and the middle 95 % of repeated draws, the others have bootstrap intervals"
)
PUBLISHED_ACCURACY = "test accuracy after 200 epochs"
PAPER = f"paper: at most {DRAWN:,} above {LEAST_ACCURACY:g} %"


@table(
    title=TITLE.format(accuracy=PUBLISHED_ACCURACY),
    columns=(
        *text("dataset", "outcome", "proxy", "rows", "minus_infinity"),
        *numbers("n", "tau", "low", "high", "published", "difference"),
        *text("verdict", "reason"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Proxy": plain("proxy"),
        "Architectures": plain("rows"),
        "Scores of −∞": plain("minus_infinity"),
        "n": count("n"),
        "τ": interval("tau", low="low", high="high"),
        "Published": decimal("published", 3),
        "Difference": decimal("difference", 3),
        "Verdict": plain("verdict"),
        "Reason": plain("reason"),
    },
    reads=("scores", "benchmark", "published"),
    settings=(*RESAMPLING, "tau_draws", *JUDGING),
    section="ranking",
    rank=2,
    copied=True,
)
def kendall(inputs: Inputs) -> Made:
    """Return Kendall's tau of each proxy by the paper's protocol, and on parts of the space.

    Absent data sets have no lines. A space of which nothing is published has its own, with
    nothing beside them.
    """
    rows: list[dict[str, Any]] = []
    for row in rows_with_other_spaces(inputs.run, inputs.papers):
        rows.extend(_rows(inputs.run, row, inputs.settings))
    return Made(rows, inputs.run.data_line(searches=False), title_of(rows))


def title_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the caption, which names the accuracies where they are not the published ones."""
    outcomes = dict.fromkeys(str(row["outcome"]) for row in rows)
    if all(outcome.endswith("/test/200") for outcome in outcomes):
        return TITLE.format(accuracy=PUBLISHED_ACCURACY)
    titles = dict.fromkeys(map(outcome_title, outcomes))
    return TITLE.format(accuracy=f"accuracy ({', '.join(titles)})")


def _rows(run: RunFiles, row: Row, settings: AnalysisSettings) -> Iterator[dict[str, Any]]:
    """Yield the lines of a proxy: each protocol with -inf and, where that differs, without."""
    both = run.pairs(*row.of)
    finite = both[np.isfinite(both["score"])]
    versions = [("rank lowest", both)]
    if len(finite) < len(both):
        versions.append(("left out", finite))
    for infinite, pairs in versions:
        common = {
            "dataset": row.of.dataset,
            "outcome": row.of.outcome,
            "proxy": row.of.proxy,
            "minus_infinity": infinite if len(versions) > 1 else "none",
        }
        drawn = taus_of(run, row.of, settings, finite=infinite == "left out")
        measured = mean_of_draws(drawn)
        beside = {}
        if row.published is not None and infinite == "rank lowest":
            beside = row.published.columns(run, measured, settings)
        yield {**common, "rows": PAPER, **_shown(measured), **beside}
        for name, chosen in subsets_of(run.benchmark, pairs).items():
            yield {**common, "rows": name, **_shown(_subset_tau(pairs[chosen], settings))}


def _subset_tau(pairs: pd.DataFrame, settings: AnalysisSettings) -> Measured:
    tau, resampled = coefficient(pairs, "kendall", settings)
    low, high = percentile_interval(resampled)
    return Measured(tau, np.nan, low, high, len(pairs))


def _shown(measured: Measured) -> dict[str, float]:
    return {"n": measured.n, "tau": measured.value, "low": measured.low, "high": measured.high}
