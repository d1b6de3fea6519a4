"""Pearson's r of scores and accuracy after 12 epochs, as Cossu et al. have it.

Scores of -inf leave r undefined and are left out; so is nothing else.
"""

from __future__ import annotations

from typing import Any

from trainfree.analysis.declaration import JUDGING, RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, plain
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.papers.measures import measure_cell
from trainfree.analysis.papers.published_correlations import Row, rows_of
from trainfree.analysis.published import Measure
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text


@table(
    title="Pearson's r of finite scores and accuracy after 12 epochs, whole space",
    columns=(
        *text("dataset", "outcome", "proxy"),
        *numbers("n", "left_out", "r", "low", "high", "published", "difference"),
        *text("verdict", "reason"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Proxy": plain("proxy"),
        "n": count("n"),
        "Excluded (−∞)": count("left_out"),
        "r": interval("r", low="low", high="high"),
        "Published": decimal("published", 3),
        "Difference": decimal("difference", 3),
        "Verdict": plain("verdict"),
        "Reason": plain("reason"),
    },
    reads=("scores", "benchmark", "published"),
    settings=(*RESAMPLING, *JUDGING),
    section="ranking",
    rank=4,
    copied=True,
)
def pearson_12_epochs(inputs: Inputs) -> Made:
    """Return Pearson's r of each proxy; absent data sets have no lines."""
    compared = rows_of(inputs.run, inputs.papers, "pearson")
    rows = [_row(inputs.run, row, inputs.settings) for row in compared]
    return Made(rows, inputs.run.data_line(searches=False))


def _row(run: RunFiles, row: Row, settings: AnalysisSettings) -> dict[str, Any]:
    dataset, proxy, outcome = row.of
    own = Measure(kind="pearson", dataset=dataset, signal=proxy, outcome=outcome)
    measured = measure_cell(run, own, settings)
    shown = {
        "dataset": dataset,
        "outcome": outcome,
        "proxy": proxy,
        "n": measured.n,
        "left_out": len(run.pairs(*row.of)) - measured.n,
        "r": measured.value,
        "low": measured.low,
        "high": measured.high,
    }
    if row.published is None:
        return shown
    return shown | row.published.columns(run, measured, settings)
