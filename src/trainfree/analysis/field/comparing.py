"""A printed table of proxies beside ours: rows, verdicts, and the version for readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made
from trainfree.analysis.field.cells import SYMBOLS, Printed, PrintedTable, Row, read_all_printed
from trainfree.analysis.field.learners import Learners
from trainfree.analysis.field.measures import ACCURACY, Found, Population, measure
from trainfree.analysis.field.scored import FieldScores
from trainfree.analysis.formats import number, with_interval, with_spread
from trainfree.analysis.inputs import DATASET_TITLES
from trainfree.analysis.papers.comparison import COLUMNS as OF_CELLS
from trainfree.analysis.papers.comparison import cell_columns, name_missing, power_text
from trainfree.analysis.papers.margins import published_error, to_next_row
from trainfree.analysis.papers.measures import Measured
from trainfree.analysis.papers.power import Compared, Swaps, swaps
from trainfree.analysis.papers.verdicts import MISSING, NOT_COMPARABLE, RULE, Verdict, judge
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text

COLUMNS = (
    *OF_CELLS,
    *text("dataset", "statistic", "signal", "input", "source", "elsewhere"),
    *numbers("seeds", "population"),
)
TARGET = "field_tables"
ROUNDED = {"tau": 0.00025, "rho": 0.00025, "ndcg": 0.00025, "%": 0.0025, "ms": 0.025}
"""A quarter of a unit of the last printed digit."""
_NOTHING = Found(Measured(np.nan, np.nan, np.nan, np.nan, 0), 0, 0)


def compare(inputs: Inputs, paper: str) -> Made:
    """Return the printed tables of a paper beside ours.

    Absent data are no error: the cells say so.

    Raises
    ------
    DataFileError
        When a file is damaged.
    """
    every = read_all_printed(inputs.some("published_field"))
    run = RunFiles((), (), inputs.benchmark)
    scored, learners = FieldScores(inputs.scores), Learners(inputs.learned)
    tables = [table for table in every if table.protocol.paper == paper]
    rows: list[dict[str, Any]] = []
    swapped: list[Swaps] = []
    for table in tables:
        found = _of_table(table, every, run, scored, learners, inputs.settings)
        rows += found
        swapped += [Swaps(int(row["swaps"]), int(row["swaps_passed"])) for row in found]
        name_missing(found, table.name)
    title = _title(tables, inputs.settings) + power_text(swapped)
    files = [*(file.data for file in scored.files), *learners.studies]
    return Made(rows, data_line([*files, run.benchmark]), title)


def population_of(
    run: RunFiles, scored: FieldScores, table: PrintedTable, printed: Printed
) -> Population:
    """Return the architectures that a printed table ranks.

    Raises
    ------
    AbsentError
        When the run is of another space, has no such accuracies, or does not know the part.
    """
    run.require_space(table.space)
    protocol = table.protocol
    if not printed.column.outcome:
        return Population(protocol.subset, protocol.infinite, pd.Series(dtype=float))
    accuracy = run.accuracy(printed.column.outcome).dropna()
    if protocol.subset:
        accuracy = accuracy[accuracy.index.isin(scored.members(protocol.subset))]
    return Population(protocol.subset, protocol.infinite, accuracy)


def _of_table(
    table: PrintedTable,
    every: Sequence[PrintedTable],
    run: RunFiles,
    scored: FieldScores,
    learners: Learners,
    settings: AnalysisSettings,
) -> list[dict[str, Any]]:
    found = [_found(table, printed, run, scored, learners, settings) for printed in table.cells]
    pairs = list(zip(table.cells, found, strict=True))
    compared = [
        Compared(
            one.cell, replace(what.measured, reference_error=printed_error(one, what)), verdict
        )
        for one, (what, verdict) in pairs
    ]
    tried = swaps(compared, settings)
    return [
        _row(table, printed, what, verdict, swapped, scored, _elsewhere(printed, table, every))
        for (printed, (what, verdict)), swapped in zip(pairs, tried, strict=True)
    ]


def _found(
    table: PrintedTable,
    printed: Printed,
    run: RunFiles,
    scored: FieldScores,
    learners: Learners,
    settings: AnalysisSettings,
) -> tuple[Found, Verdict]:
    if printed.row.comparable != "yes":
        reason = printed.row.comparable.removeprefix("no: ")
        return _NOTHING, Verdict(NOT_COMPARABLE, np.nan, "", reason)
    try:
        if printed.row.learned is None:
            population = population_of(run, scored, table, printed)
            found = measure(scored, printed.row, printed.column, population, settings)
        else:
            run.require_space(table.space)
            found = learners.measure(printed.row.learned, printed.column, table.protocol.subset)
    except AbsentError as absent:
        return _NOTHING, Verdict(MISSING, np.nan, "", str(absent))
    cells = [other.cell for other in table.cells]
    verdict = judge(
        printed.cell,
        found.measured.value,
        found.measured.error,
        settings,
        to_next_row=to_next_row(printed.cell, cells),
        reference_error=printed_error(printed, found),
        obstacle=found.obstacle or _obstacle(table, printed, scored),
    )
    return found, verdict


def printed_error(printed: Printed, found: Found) -> float:
    """Return the standard error of a printed number, with its rounding and its order of ties.

    Twice that of a rounded one is half a unit of the last digit; NaN for accuracies without a
    spread.
    """
    ties = found.measured.reference_error or 0.0
    error = np.hypot(published_error(printed.cell), ROUNDED[printed.cell.unit])
    return float(np.hypot(error, ties))


def _obstacle(table: PrintedTable, printed: Printed, scored: FieldScores) -> str:
    """Return why the scores cannot stand beside the paper's; empty if they can.

    What no image enters is the same on stand-ins.
    """
    dataset = printed.column.dataset
    if printed.row.signal == ACCURACY or printed.row.learned:
        return ""
    given = scored.inputs(dataset, printed.row)
    if table.protocol.input == "images" and "gaussian input" in given:
        return f"scored on {given}, and the paper on images"
    if not scored.sees_images(dataset, printed.row):
        return ""
    if stand_in := scored.stand_in(dataset):
        return f"stand-in images: {stand_in}"
    batch = int(scored.of_seeds(dataset)[0].data.attrs.get("batch_size", 0))
    if batch != table.protocol.batch_size:
        return f"mini-batch of {batch} images instead of {table.protocol.batch_size}"
    return ""


def _elsewhere(printed: Printed, table: PrintedTable, every: Iterable[PrintedTable]) -> str:
    """Return what another table prints of the same quantity of the same architectures."""
    return "; ".join(
        f"{number(other.cell.value, 3)} in {one.name}"
        for one in every
        if one.name != table.name
        and (one.space, one.protocol.subset) == (table.space, table.protocol.subset)
        for other in one.cells
        if other.quantity == printed.quantity
    )


def _row(
    table: PrintedTable,
    printed: Printed,
    found: Found,
    verdict: Verdict,
    swapped: Swaps,
    scored: FieldScores,
    elsewhere: str,
) -> dict[str, Any]:
    cell, measured, row = printed.cell, found.measured, printed.row
    given = ""
    if measured.n and row.needs and row.signal != ACCURACY:
        given = scored.inputs(printed.column.dataset, row)
    return cell_columns(table.name, Compared(cell, measured, verdict), swapped) | {
        "published_n": table.protocol.seeds,
        "note": row.note,
        "dataset": printed.column.dataset,
        "statistic": printed.column.statistic,
        "signal": signal_of(row),
        "input": given,
        "source": printed.source,
        "elsewhere": elsewhere,
        "seeds": found.seeds or None,
        "population": found.population or None,
    }


def signal_of(row: Row) -> str:
    """Return what a row is about: a proxy, several, or a forest."""
    if row.learned:
        return f"a forest on {row.learned.features} after {row.learned.trainings:,} trainings"
    return row.signal or " + ".join(row.parts)


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: a line for a row and a data set, as papers print it."""
    if frame.empty:
        return pd.DataFrame(columns=["Table", "Row", "Data set"])
    statistics = list(dict.fromkeys(frame["statistic"]))
    lines = []
    for (table, row, dataset), cells in frame.groupby(["table", "row", "dataset"], sort=False):
        by_statistic = {str(cell["statistic"]): cell for _, cell in cells.iterrows()}
        line: dict[str, object] = {
            "Table": table,
            "Row": row,
            "Data set": DATASET_TITLES.get(str(dataset), str(dataset)),
            "Input, weights": str(cells["input"].iloc[0]),
            "n": _counts(cells),
            "Seeds": number(float(np.nanmax([*cells["seeds"].to_numpy(float), 0])), 0),
        }
        for name in statistics:
            line |= _of_statistic(SYMBOLS[name], by_statistic.get(name))
        told = [*cells["reason"], *cells["note"], *(f"{e}" for e in cells["elsewhere"] if e)]
        line["Remark"] = "; ".join(dict.fromkeys(filter(None, map(str, told))))
        lines.append(line)
    return pd.DataFrame(lines)


def _counts(cells: pd.DataFrame) -> str:
    known = cells[cells["population"].notna()]
    if known.empty:
        return ""
    counts = zip(known["n"].to_numpy(float), known["population"].to_numpy(float), strict=True)
    words = (
        number(n, 0) if n >= every else f"{number(n, 0)} of {number(every, 0)}"
        for n, every in counts
    )
    return ", ".join(dict.fromkeys(words))


def _of_statistic(symbol: str, cell: pd.Series | None) -> dict[str, object]:
    digits = 2 if symbol.endswith("(%)") or symbol == "ms" else 3
    if cell is None:
        return {f"{symbol} printed": "", f"{symbol} measured": "", f"{symbol} verdict": ""}
    interval = with_interval(cell["measured"], cell["low"], cell["high"], digits)
    spread = with_spread(cell["measured"], cell["measured_spread"], digits)
    return {
        f"{symbol} printed": with_spread(cell["published"], cell["published_spread"], digits),
        f"{symbol} measured": spread + interval.removeprefix(number(cell["measured"], digits)),
        f"{symbol} verdict": cell["verdict"],
    }


def _title(tables: Sequence[PrintedTable], settings: AnalysisSettings) -> str:
    rule = RULE.format(
        percent=settings.margin_percent,
        correlation=settings.margin_correlation,
        score=settings.margin_score,
    )
    titles = "; ".join(table.title for table in tables)
    remarks = "; ".join(dict.fromkeys(table.protocol.remark for table in tables)).strip("; ")
    return (
        f"{titles}{f' ({remarks})' if remarks else ''}. Measured: mean ± standard deviation over "
        "seeds, with a 95 % bootstrap interval over architectures where a sample was scored, "
        f"anew for each seed. {rule}"
    )
