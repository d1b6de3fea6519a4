"""The papers' numbers, read from ``reports/published/*.yaml``: one cell of a table, one entry.

The file also says which of our rows a paper's row corresponds to and whether the two were got in
the same way, so that no code knows a published value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from trainfree.errors import DataFileError

FILE_KEYS = ("hardware", "searched_on", "epochs", "columns", "rows", "cells")
CELL_KEYS = ("paper", "table", "row", "column", "value", "spread", "note")
ROW_KEYS = ("control", "algorithm", "signals", "budget", "comparable")


@dataclass(frozen=True)
class PublishedCell:
    """One published number and the measured cell it stands beside.

    Attributes
    ----------
    paper, table, row, column
        Where it is printed.
    value, spread
        The number and its standard deviation; NaN where none is printed.
    note
        What a reader has to know of it.
    control, algorithm, signal, budget
        The row of ours that it corresponds to; empty (0) means that it does not say.
    outcome
        ``<benchmark data set>/<split>`` of its column, or the column's own name.
    comparable
        ``yes``, or ``no: <reason>`` or ``roughly: <reason>``.
    """

    paper: str
    table: str
    row: str
    column: str
    value: float
    spread: float
    note: str
    control: str
    algorithm: str
    signal: str
    budget: int
    outcome: str
    comparable: str


@dataclass(frozen=True)
class Published:
    """The cells of a file and how the numbers were got.

    Attributes
    ----------
    hardware
        What the published seconds were measured on.
    searched_on
        The image data set of the searches.
    epochs
        Training epochs of the published accuracies.
    cells
        One cell for each of our signals that its row corresponds to.
    """

    hardware: str
    searched_on: str
    epochs: int
    cells: tuple[PublishedCell, ...]

    def accuracy(
        self, control: str, algorithm: str, signal: str, budget: int, outcome: str
    ) -> PublishedCell | None:
        """Return the cell beside a measured accuracy, or None.

        ``outcome`` is ``dataset/split/epochs``; with other epochs than the published ones there is
        no cell, and with unstated epochs (``?``) the cell is comparable only roughly.
        """
        column, _, epochs = outcome.rpartition("/")
        if epochs not in (str(self.epochs), "?"):
            return None
        for cell in self.cells:
            same_row = cell.control == control and cell.algorithm == algorithm != ""
            same_signal = cell.signal == signal or (bool(control) and cell.signal == "")
            same_budget = cell.budget in (0, budget)
            if same_row and same_signal and same_budget and cell.outcome == column:
                return _roughly(cell) if epochs == "?" else cell
        return None

    def tau(self, proxy: str, dataset: str, outcome: str) -> PublishedCell | None:
        """Return the published Kendall tau of a proxy on a data set's test accuracy, or None."""
        column, _, epochs = outcome.rpartition("/")
        if column.partition("/")[0].lower() != dataset or epochs not in (str(self.epochs), "?"):
            return None
        found = (c for c in self.cells if (c.algorithm, c.signal) == ("", proxy))
        return next((cell for cell in found if cell.outcome == column), None)

    def seconds(self) -> list[PublishedCell]:
        """Return the published seconds of searches for a given number of architectures."""
        return [
            cell
            for cell in self.cells
            if cell.outcome == "search_seconds" and cell.budget > 0 and not cell.control
        ]


def _roughly(cell: PublishedCell) -> PublishedCell:
    """Say that the measured accuracy is of a training that is not the published one."""
    if cell.comparable.startswith("no"):
        return cell
    known = cell.comparable.removeprefix("yes").removeprefix("roughly: ")
    reasons = [known, "accuracies of another training of the space, epochs not stated"]
    return replace(cell, comparable="roughly: " + "; ".join(filter(None, reasons)))


def read_published(path: Path) -> Published:
    """Read a file of published numbers.

    Raises
    ------
    DataFileError
        Naming the file and the entry, when the file is missing or an entry is malformed.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: no such file of published numbers") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path}: is not valid YAML: {error}") from error
    if not isinstance(content, dict) or not set(FILE_KEYS) <= content.keys():
        raise DataFileError(f"{path}: expected the keys {', '.join(FILE_KEYS)}")
    for name, row in content["rows"].items():
        if set(row) != set(ROW_KEYS):
            raise DataFileError(f"{path}: row {name!r}: expected the keys {', '.join(ROW_KEYS)}")
    cells = tuple(
        cell
        for position, entry in enumerate(content["cells"])
        for cell in _cells(path, position, entry, content)
    )
    return Published(
        str(content["hardware"]), str(content["searched_on"]), int(content["epochs"]), cells
    )


def _cells(
    path: Path, position: int, entry: Mapping[str, Any], content: Mapping[str, Any]
) -> list[PublishedCell]:
    where = f"{path}: entry {position + 1} of cells"
    if set(entry) != set(CELL_KEYS):
        raise DataFileError(f"{where}: expected the keys {', '.join(CELL_KEYS)}, found {entry}")
    if entry["column"] not in content["columns"]:
        raise DataFileError(f"{where}: unknown column {entry['column']!r}")
    if not isinstance(entry["value"], int | float):
        raise DataFileError(f"{where}: expected a number as value, found {entry['value']!r}")
    row = content["rows"].get(entry["row"]) or dict.fromkeys(ROW_KEYS)
    return [
        PublishedCell(
            **{key: str(entry[key] or "") for key in ("paper", "table", "row", "column", "note")},
            value=float(entry["value"]),
            spread=float("nan") if entry["spread"] is None else float(entry["spread"]),
            outcome=content["columns"][entry["column"]],
            control=row["control"] or "",
            algorithm=row["algorithm"] or "",
            signal=signal,
            budget=row["budget"] or 0,
            comparable=row["comparable"] or "no: no row of ours corresponds",
        )
        for signal in (row["signals"] or [""])
    ]
