"""How numbers, intervals and times are written in tables, captions and on the page.

A format of a column is a function from a row to what its cell shows; the functions at the end make
them from the names of columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from trainfree.trainings import TRAINING_SECONDS, Outcome

MISSING = "–"
Row = Mapping[Hashable, Any]
Cell = Callable[[Row], object]


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with fixed decimals, a proper minus, thousands marked; a dash if missing."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def count_of(count: int, thing: str) -> str:
    """Return ``1 thread`` or ``2 threads``."""
    return f"{number(count, 0)} {thing}" + ("" if count == 1 else "s")


def budget_text(budget: float, kind: str) -> str:
    """Return a budget with its unit: a number of architectures, or seconds of training."""
    return f"{number(budget, 0)} s" if kind == TRAINING_SECONDS else number(budget, 0)


def seconds(value: float | None) -> str:
    """Return seconds with three significant digits, whole from 100 on."""
    if value is None or math.isnan(value):
        return MISSING
    if value == 0 or value >= 100:
        return number(value, 0)
    return number(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def with_spread(mean: float | None, spread: float | None, digits: int = 2) -> str:
    """Return ``mean ± spread``; the mean alone where there is no spread."""
    if mean is None or math.isnan(mean):
        return MISSING
    if spread is None or math.isnan(spread):
        return number(mean, digits)
    return f"{number(mean, digits)} ± {number(spread, digits)}"


def with_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Return ``value [low, high]``; the value alone where there is no interval."""
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def is_numeric(cells: Sequence[object] | pd.Series) -> bool:
    """Tell whether the shown cells of a column are numbers, so that it is set flush right."""
    filled = [str(value) for value in cells if str(value) not in ("", MISSING)]
    return bool(filled) and all(
        text.lstrip("−-+<> ")[:1].isdigit() or text.lstrip("−-") == "∞" for text in filled
    )


def plain(name: str) -> Cell:
    """Show a column as it is, nothing where there is no value."""

    def cell(row: Row) -> object:
        value = row[name]
        return "" if value is None or value != value else value  # NaN differs from itself

    return cell


def count(name: str) -> Cell:
    """Show a column of whole numbers, thousands marked."""
    return decimal(name, 0)


def decimal(name: str, digits: int = 2, scale: float = 1.0) -> Cell:
    """Show a column of numbers, ``scale`` times as large, with fixed decimals."""
    return lambda row: number(row[name] if scale == 1.0 else scale * row[name], digits)


def duration(name: str, scale: float = 1.0) -> Cell:
    """Show a column of seconds, ``scale`` times as large (1000: milliseconds)."""
    return lambda row: seconds(row[name] if scale == 1.0 else scale * row[name])


def spread(mean: str, deviation: str, digits: int = 2) -> Cell:
    """Show two columns as ``mean ± deviation``."""
    return lambda row: with_spread(row[mean], row[deviation], digits)


def measured(mean: str, deviation: str = "") -> Cell:
    """Show an accuracy, with its deviation, in the digits and the unit of its outcome's metric.

    Headings say percent, so other units stand in the cell.
    """

    def cell(row: Row) -> str:
        metric = Outcome.of_label(str(row["outcome"])).metric
        percent = metric.units == "%"
        digits = 2 if percent else 4
        value = row[mean]
        shown = with_spread(value, row[deviation], digits) if deviation else number(value, digits)
        return shown if percent or shown == MISSING else f"{shown} ({metric.title})"

    return cell


def interval(name: str, digits: int = 3, *, low: str = "", high: str = "") -> Cell:
    """Show a column with its interval, by default in ``<name>_low`` and ``<name>_high``."""
    bounds = low or f"{name}_low", high or f"{name}_high"
    return lambda row: with_interval(row[name], row[bounds[0]], row[bounds[1]], digits)


def joined(*names: str) -> Cell:
    """Show the texts of several columns in one cell, those that are there."""
    cells = [plain(name) for name in names]
    return lambda row: "; ".join(filter(None, (str(cell(row)) for cell in cells)))


def shown_as(cells: Mapping[str, Cell]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what makes the readable version of a table: one column a title, each cell as told."""

    def show(frame: pd.DataFrame) -> pd.DataFrame:
        records = frame.to_dict("records")
        return pd.DataFrame(
            {title: [cell(row) for row in records] for title, cell in cells.items()}
        )

    return show
