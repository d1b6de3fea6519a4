"""Pearson's r of scores and accuracy after 12 epochs, as Cossu et al. has it.

Scores of -inf leave r undefined and are left out; so is nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.papers.measures import measure_cell
from trainfree.analysis.papers.published_correlations import Row, rows_of
from trainfree.analysis.published import Measure, Published
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import number, with_interval, write_tables

TITLE = "Pearson's r of finite scores and validation accuracy after 12 epochs, whole space"
COLUMNS = (
    *("dataset", "outcome", "proxy", "n", "left_out", "r", "low", "high"),
    *("published", "difference", "verdict", "reason"),
)


def tabulate_pearson(
    run: RunFiles, published: Sequence[Published], settings: AnalysisSettings, output_stem: Path
) -> pd.DataFrame:
    """Write the table of Pearson's r and return it.

    Absent data sets have no lines.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    rows = [_row(run, row, settings) for row in rows_of(run, published, "pearson")]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = run.data_line(searches=False)
    write_tables(frame, show_pearson(frame), TITLE, made_from, output_stem)
    return frame


def show_pearson(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Proxy": frame["proxy"],
            "n": [number(row["n"], 0) for row in records],
            "Left out (−∞)": [number(row["left_out"], 0) for row in records],
            "r": [with_interval(row["r"], row["low"], row["high"]) for row in records],
            "Published": [number(row["published"], 3) for row in records],
            "Difference": [number(row["difference"], 3) for row in records],
            "Verdict": frame["verdict"].astype(object).fillna(""),
            "Reason": frame["reason"].astype(object).fillna(""),
        }
    )


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
