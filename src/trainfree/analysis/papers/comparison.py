"""A published table beside ours: one line a cell, with interval, difference and verdict."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.papers.measures import (
    OF_SCORES,
    OF_SEARCHES,
    Measured,
    measure_cell,
    stated_obstacle,
    verdict_on,
)
from trainfree.analysis.papers.verdicts import (
    MISSING,
    NOT_COMPARABLE,
    RULE,
    Verdict,
)
from trainfree.analysis.published import (
    Cell,
    Measure,
    Published,
    PublishedTable,
    find_table,
)
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import (
    number,
    seconds,
    with_interval,
    with_spread,
    write_tables,
)

LOG = logging.getLogger(__name__)
COLUMNS = (
    *("paper", "table", "row", "column", "unit"),
    *("published", "published_spread", "published_n"),
    *("measured", "measured_spread", "low", "high", "n", "difference", "tolerance"),
    *("verdict", "reason", "note"),
)
DIGITS = {"%": 2, "tau": 3, "r": 3, "nats": 1}


def tabulate_published(
    run: RunFiles,
    name: str,
    published: Sequence[Published],
    settings: AnalysisSettings,
    output_stem: Path,
) -> pd.DataFrame:
    """Write one published table beside ours and return it.

    Parameters
    ----------
    run
        The data files, as far as there are any.
    name
        The table, one of those that the files of published numbers describe.
    published
        The papers.
    output_stem
        ``results/tables/<name>``; the suffixes .csv, .md and .tex are added.

    Raises
    ------
    DataFileError
        When no paper has the table or it cannot be written. Absent data are no error: the cells
        say so.
    """
    table = find_table(published, name)
    frame = compare(run, table, settings)
    shown, title = show_comparison(frame, table.title, settings)
    made_from = run.data_line(
        table.space,
        scores=not table.kinds.isdisjoint(OF_SCORES),
        searches=not table.kinds.isdisjoint(OF_SEARCHES),
    )
    write_tables(frame, shown, title, made_from, output_stem)
    name_missing(frame, name)
    return frame


def compare(run: RunFiles, table: PublishedTable, settings: AnalysisSettings) -> pd.DataFrame:
    """Return the cells of a published table beside ours, in the paper's order."""
    rows = [_row(run, table, cell, measure, settings) for cell, measure in table.cells]
    return pd.DataFrame(rows, columns=COLUMNS)


def show_comparison(
    frame: pd.DataFrame, title: str, settings: AnalysisSettings
) -> tuple[pd.DataFrame, str]:
    """Return the table for readers and its caption, which states the rule of the verdicts."""
    records = frame.to_dict("records")
    shown = pd.DataFrame(
        {
            "Row": frame["row"],
            "Column": frame["column"],
            "Unit": frame["unit"].replace({"tau": "τ"}),
            "Published": [_cell(r["unit"], r["published"], r["published_spread"]) for r in records],
            "Measured": [_cell(r["unit"], r["measured"], r["measured_spread"]) for r in records],
            "95 % interval": [_interval(r) for r in records],
            "n": [number(r["n"], 0) for r in records],
            "Difference": [_difference(r) for r in records],
            "Verdict": frame["verdict"],
            "Reason": [
                "; ".join(filter(None, (str(r["reason"]), str(r["note"])))) for r in records
            ],
        }
    )
    rule = RULE.format(
        percent=settings.margin_percent,
        correlation=settings.margin_correlation,
        score=settings.margin_score,
    )
    return shown, f"{title}; mean ± standard deviation. {rule}"


def name_missing(frame: pd.DataFrame, name: str) -> None:
    """Name the missing cells of a table on the log, by what they lack."""
    missing = frame[frame["verdict"] == MISSING]
    for reason, count in sorted(Counter(missing["reason"]).items()):
        places = missing[missing["reason"] == reason]
        first = f"{places['row'].iloc[0]}, {places['column'].iloc[0]}"
        LOG.warning("%s: %d cells missing, %s (the first is %s)", name, count, reason, first)


def _row(
    run: RunFiles,
    table: PublishedTable,
    cell: Cell,
    measure: Measure,
    settings: AnalysisSettings,
) -> dict[str, Any]:
    measured, verdict = _measure_and_judge(run, table, cell, measure, settings)
    return {
        "paper": cell.paper,
        "table": table.name,
        "row": cell.row,
        "column": cell.column,
        "unit": cell.unit,
        "published": cell.value,
        "published_spread": np.nan if cell.spread is None else cell.spread,
        "published_n": cell.n,
        "measured": measured.value,
        "measured_spread": measured.spread,
        "low": measured.low,
        "high": measured.high,
        "n": measured.n or None,
        "difference": measured.value - cell.value,
        "tolerance": verdict.tolerance,
        "verdict": verdict.word,
        "reason": verdict.reason,
        "note": "; ".join(filter(None, (cell.suspicious, cell.note, measure.remark))),
    }


def _measure_and_judge(
    run: RunFiles,
    table: PublishedTable,
    cell: Cell,
    measure: Measure,
    settings: AnalysisSettings,
) -> tuple[Measured, Verdict]:
    nothing = Measured(np.nan, np.nan, np.nan, np.nan, 0)
    if measure.kind == "none":
        return nothing, Verdict(NOT_COMPARABLE, np.nan, stated_obstacle(measure))
    try:
        run.require_space(table.space)
        measured = measure_cell(run, measure, settings)
    except AbsentError as absent:
        return nothing, Verdict(MISSING, np.nan, str(absent))
    return measured, verdict_on(run, cell, measure, table.batch_size, measured, settings)


def _cell(unit: str, value: float, spread: float) -> str:
    if unit == "s":
        return seconds(value)
    return with_spread(value, spread, DIGITS[unit])


def _interval(row: dict[Any, Any]) -> str:
    if row["unit"] == "s":
        return ""
    shown = with_interval(row["measured"], row["low"], row["high"], DIGITS[row["unit"]])
    return shown.partition(" ")[2]


def _difference(row: dict[Any, Any]) -> str:
    if row["unit"] == "s" or np.isnan(row["difference"]):
        return ""
    shown = number(row["difference"], DIGITS[row["unit"]])
    return shown if shown.startswith("−") else f"+{shown}"
