"""A published table beside ours: one line a cell, with interval, difference and verdict."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainfree.analysis.declaration import JUDGING, RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import Cell as Format
from trainfree.analysis.formats import (
    Row,
    count,
    joined,
    number,
    plain,
    seconds,
    with_interval,
    with_spread,
)
from trainfree.analysis.papers.measures import (
    OF_SCORES,
    OF_SEARCHES,
    Measured,
    measure_cell,
    verdict_on,
)
from trainfree.analysis.papers.power import Compared, Swaps, swaps
from trainfree.analysis.papers.protocol import as_readable, stated_obstacle
from trainfree.analysis.papers.verdicts import (
    MISSING,
    NOT_COMPARABLE,
    RULE,
    SETTING_RULE,
    VERDICTS,
    Verdict,
)
from trainfree.analysis.published import (
    Cell,
    Measure,
    PublishedTable,
    find_table,
    table_names,
)
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text

LOG = logging.getLogger(__name__)
COLUMNS = (
    *text("paper", "table", "row", "column", "unit"),
    *numbers("published", "published_spread", "published_n"),
    *numbers("measured", "measured_spread", "low", "high", "n", "difference", "tolerance"),
    *text("verdict", "grade", "reason", "note"),
    *numbers("swaps", "swaps_passed"),
)
QUOTED = "quoted as published, weight sharing is not re-run"
DIGITS = {"%": 2, "tau": 3, "r": 3, "nats": 1}


def _value(value: str, deviation: str) -> Format:
    def cell(row: Row) -> str:
        if row["unit"] == "s":
            return seconds(row[value])
        return with_spread(row[value], row[deviation], DIGITS[row["unit"]])

    return cell


def _interval(row: Row) -> str:
    if row["unit"] == "s":
        return ""
    shown = with_interval(row["measured"], row["low"], row["high"], DIGITS[row["unit"]])
    return shown.partition(" ")[2]


def _difference(row: Row) -> str:
    if row["unit"] == "s" or np.isnan(row["difference"]):
        return ""
    shown = number(row["difference"], DIGITS[row["unit"]])
    return shown if shown.startswith("−") else f"+{shown}"


@table(
    title="A published table: printed and measured values",
    columns=COLUMNS,
    shown={
        "Row": plain("row"),
        "Column": plain("column"),
        "Unit": lambda row: "τ" if row["unit"] == "tau" else row["unit"],
        "Published": _value("published", "published_spread"),
        "Measured": _value("measured", "measured_spread"),
        "95 % interval": _interval,
        "n": count("n"),
        "Difference": _difference,
        "Verdict": plain("verdict"),
        "Reason": joined("grade", "reason", "note"),
    },
    reads=("scores", "searches", "benchmark", "published", "shared"),
    names=table_names,
    settings=(*RESAMPLING, "tau_draws", *JUDGING),
    section="papers",
    rank=1,
    copied=True,
)
def comparison(inputs: Inputs, name: str) -> Made:
    """Return one published table beside ours.

    Absent data are no error: the cells say so.

    Raises
    ------
    DataFileError
        When no paper has the table.
    """
    printed, run, settings = find_table(inputs.papers, name), inputs.run, inputs.settings
    measures = [as_readable(run, measure) for _, measure in printed.cells]
    compared = [
        Compared(cell, *_measure_and_judge(run, printed, cell, measure, settings))
        for (cell, _), measure in zip(printed.cells, measures, strict=True)
    ]
    swapped = swaps(compared, settings)
    rows = [
        _row(printed, one, measure, tried)
        for one, measure, tried in zip(compared, measures, swapped, strict=True)
    ]
    name_missing(rows, name)
    rule = RULE.format(
        percent=settings.margin_percent,
        correlation=settings.margin_correlation,
        score=settings.margin_score,
    )
    made_from = run.data_line(
        printed.space,
        scores=not printed.kinds.isdisjoint(OF_SCORES),
        searches=not printed.kinds.isdisjoint(OF_SEARCHES),
        shared="shared" in printed.kinds,
    )
    if any(one.verdict.word not in VERDICTS for one in compared):
        rule += SETTING_RULE
    title = f"{printed.title}; mean ± standard deviation. {rule}{power_text(swapped)}"
    return Made(rows, made_from, title)


def power_text(swapped: Sequence[Swaps]) -> str:
    """Return how many wrong numbers a table lets pass; empty where none was tried."""
    tried, passed = (sum(counts) for counts in zip(*swapped, strict=True))
    if not tried:
        return ""
    return f". Of {tried:,} numbers of other rows it would let {passed:,} pass"


def name_missing(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Name the missing cells of a table on the log, by what they lack."""
    lacking: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] == MISSING:
            lacking.setdefault(row["reason"], []).append(f"{row['row']}, {row['column']}")
    for reason, places in sorted(lacking.items()):
        LOG.warning(
            "%s: %d cells missing, %s (the first is %s)", name, len(places), reason, places[0]
        )


def _row(
    table: PublishedTable, compared: Compared, measure: Measure, swapped: Swaps
) -> dict[str, Any]:
    cell = compared.cell
    note = "; ".join(filter(None, (cell.suspicious, cell.note, measure.remark)))
    own = cell_columns(table.name, compared, swapped) | {"published_n": cell.n, "note": note}
    if measure.kind == "shared" and compared.verdict.word == NOT_COMPARABLE:
        own["difference"] = np.nan
    return own


def cell_columns(table: str, compared: Compared, swapped: Swaps) -> dict[str, Any]:
    """Return what any table of printed cells says of one, by column."""
    cell, measured, verdict = compared
    return {
        "paper": cell.paper,
        "table": table,
        "row": cell.row,
        "column": cell.column,
        "unit": cell.unit,
        "published": cell.value,
        "published_spread": np.nan if cell.spread is None else cell.spread,
        "measured": measured.value,
        "measured_spread": measured.spread,
        "low": measured.low,
        "high": measured.high,
        "n": measured.n or None,
        "difference": measured.value - cell.value,
        "tolerance": verdict.tolerance,
        "verdict": verdict.word,
        "grade": verdict.grade,
        "reason": verdict.reason,
        "swaps": swapped.tried,
        "swaps_passed": swapped.passed,
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
        return nothing, Verdict(NOT_COMPARABLE, np.nan, "", stated_obstacle(measure))
    if measure.kind == "shared" and _has_no_trainings(run, measure):
        return nothing, Verdict(NOT_COMPARABLE, np.nan, "", QUOTED)
    space = measure.space or table.space
    if (measure.space or table.elsewhere) and not run.is_of(space):
        obstacle = f"not of this run's space but of {space}: a run of that has it"
        return nothing, Verdict(NOT_COMPARABLE, np.nan, "", obstacle)
    try:
        run.require_space(space)
        measured = measure_cell(run, measure, settings)
    except AbsentError as absent:
        return nothing, Verdict(MISSING, np.nan, "", str(absent))
    return measured, verdict_on(run, table, cell, measure, measured, settings)


def _has_no_trainings(run: RunFiles, measure: Measure) -> bool:
    try:
        return run.shared.of(measure, run.space) is None
    except AbsentError:  # no trained accuracies either
        return True
