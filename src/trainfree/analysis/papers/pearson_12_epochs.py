"""Pearson's r of scores and accuracy after 12 epochs, as Cossu et al. has it.

Scores of -inf leave r undefined and are left out; so is nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.formats import number, with_interval
from trainfree.analysis.papers.measures import measure_cell, obstacle_of
from trainfree.analysis.papers.verdicts import judge
from trainfree.analysis.published import (
    Cell,
    Measure,
    Published,
    PublishedTable,
    cells_of_kind,
)
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import write_tables

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
    rows = [
        _row(run, proxy, table, cell, measure, settings)
        for table, cell, measure in cells_of_kind(published, "pearson")
        for proxy in run.proxies(table.space, measure)
    ]
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
            "Verdict": frame["verdict"].fillna(""),
            "Reason": frame["reason"].fillna(""),
        }
    )


def _row(
    run: RunFiles,
    proxy: str,
    table: PublishedTable,
    cell: Cell,
    measure: Measure,
    settings: AnalysisSettings,
) -> dict[str, Any]:
    own = measure.model_copy(update={"signal": proxy})
    measured = measure_cell(run, own, settings)
    row = {
        "dataset": own.dataset,
        "outcome": own.outcome,
        "proxy": proxy,
        "n": measured.n,
        "left_out": len(run.pairs(own.dataset, proxy, own.outcome)) - measured.n,
        "r": measured.value,
        "low": measured.low,
        "high": measured.high,
    }
    if proxy != measure.signal:
        return row
    obstacle = obstacle_of(run, own, table.batch_size)
    verdict = judge(cell, measured.value, 0.0, settings, obstacle=obstacle)
    return row | {
        "published": cell.value,
        "difference": measured.value - cell.value,
        "verdict": verdict.word,
        "reason": verdict.reason,
    }
