"""The printed tables of proxies, read from ``reports/published/field/*.yaml``.

A row is one line: what is scored, and its numbers in the order of the table's columns. The head of
a file says which cells of the space the paper has ranked, and how it treats scores of −∞.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainfree.analysis.published import YAML_LOADER, Cell, Unit
from trainfree.analysis.statistics.exponential_gain import Infinite
from trainfree.errors import DataFileError
from trainfree.files.reading import read_text

Statistic = Literal["kendall", "spearman", "abs_spearman", "ndcg", "best_of_3000", "milliseconds"]
UNITS: dict[Statistic, Unit] = {
    "kendall": "tau",
    "spearman": "rho",
    "abs_spearman": "rho",
    "ndcg": "ndcg",
    "best_of_3000": "%",
    "milliseconds": "ms",
}
SYMBOLS = {
    "kendall": "τ",
    "spearman": "ρ",
    "abs_spearman": "|ρ|",
    "ndcg": "nDCG@1000",
    "best_of_3000": "best of 3,000 (%)",
    "milliseconds": "ms",
}
Number = float | tuple[float, float] | None
"""A printed number, or one with its standard deviation; None where nothing is printed."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Column(_Part):
    """A column of a printed table.

    Attributes
    ----------
    dataset
        The image set that is scored.
    statistic
        What is printed.
    outcome
        The accuracies, ``<benchmark data set>/<split>/<epochs>``.
    """

    dataset: str
    statistic: Statistic
    outcome: str = Field(default="", pattern=r"^([^/]+/[a-z]+/[0-9]+)?$")


class Learning(_Part):
    """What a forest has learned from, where a row is about one.

    Attributes
    ----------
    features
        The set of features.
    trainings
        Number of trained architectures.
    """

    features: Literal["GRAF", "proxies", "GRAF and proxies"]
    trainings: int


class Row(_Part):
    """A row of a printed table.

    Attributes
    ----------
    cells
        Its numbers, one per column.
    signal
        The proxy, or the combination of proxies.
    parts, logarithmic
        Instead of it, proxies whose ranks are added, or the logarithms of their ranks.
    learned
        Instead of both, a forest that has seen trained architectures.
    comparable
        ``yes``, or ``no: <reason>``.
    note, source
        What a reader has to know; where the numbers are from, if not whence the table's are.
    """

    cells: tuple[Number, ...]
    signal: str = ""
    parts: tuple[str, ...] = ()
    logarithmic: bool = True
    learned: Learning | None = None
    comparable: str = Field(default="yes", pattern=r"^(yes|no: .+)$")
    note: str = ""
    source: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The proxies that it is made of, as far as this file says."""
        return self.parts or ((self.signal,) if self.signal else ())


class _Table(_Part):
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    source: str
    space: str = "nasbench201"
    columns: dict[str, Column]
    rows: dict[str, Row]


class _File(_Part):
    paper: str
    citation: str
    batch_size: int
    seeds: int
    subset: str
    infinite: Infinite
    input: Literal["", "images"] = ""
    remark: str
    tables: dict[str, _Table]


@dataclass(frozen=True)
class Protocol:
    """How a paper has come to its numbers.

    Attributes
    ----------
    paper, citation
        Short name and reference.
    batch_size, seeds
        Images of a mini-batch; runs behind a number.
    subset
        The part of the space whose architectures are ranked; empty: all.
    infinite
        What becomes of scores that are not finite.
    input
        What every proxy that looks at an input was given; empty where that differs.
    remark
        Differences that stay.
    """

    paper: str
    citation: str
    batch_size: int
    seeds: int
    subset: str
    infinite: Infinite
    input: str
    remark: str


@dataclass(frozen=True)
class Printed:
    """A printed number with its place.

    Attributes
    ----------
    cell
        The number, as the verdicts take it.
    row, column
        What stands beside it.
    source
        Where the number was read.
    """

    cell: Cell
    row: Row
    column: Column
    source: str

    @property
    def quantity(self) -> tuple[object, ...]:
        """What it is a number of: equal for the same quantity in another table."""
        row, column = self.row, self.column
        of = row.signal, row.parts, row.logarithmic if row.parts else True, row.learned
        return (*of, column.dataset, column.statistic, column.outcome)


@dataclass(frozen=True)
class PrintedTable:
    """A printed table.

    Attributes
    ----------
    name, title, space
        Short name, caption, and the space it is about.
    protocol
        How its numbers were got.
    cells
        Its numbers, row by row.
    """

    name: str
    title: str
    space: str
    protocol: Protocol
    cells: tuple[Printed, ...]


def read_printed(path: Path) -> list[PrintedTable]:
    """Read the printed tables of a paper.

    Raises
    ------
    DataFileError
        When the file is missing, or of another form; names the key.
    """
    try:
        content = yaml.load(read_text(path, "no such file of printed tables"), YAML_LOADER)
        file = _File.model_validate(content)
    except yaml.YAMLError as error:
        raise DataFileError(f"{path}: is not valid YAML: {error}") from error
    except ValidationError as error:
        raise DataFileError(f"{path}: {'; '.join(map(_told, error.errors()))}") from error
    protocol = Protocol(**file.model_dump(exclude={"tables"}))
    return [
        PrintedTable(
            name=table.name,
            title=table.title,
            space=table.space,
            protocol=protocol,
            cells=tuple(_cells(path, protocol, printed, table)),
        )
        for printed, table in file.tables.items()
    ]


def read_all_printed(paths: Sequence[Path]) -> list[PrintedTable]:
    """Read the printed tables of several papers, in the order of the files."""
    return [table for path in paths for table in read_printed(path)]


def _cells(path: Path, protocol: Protocol, printed: str, table: _Table) -> Iterator[Printed]:
    for name, row in table.rows.items():
        if len(row.cells) != len(table.columns):
            raise DataFileError(
                f"{path}: {printed}, {name}: expected {len(table.columns)} cells, one per column, "
                f"found {len(row.cells)}"
            )
        for (title, column), number in zip(table.columns.items(), row.cells, strict=True):
            if number is None:
                continue
            value, spread = number if isinstance(number, tuple) else (number, None)
            cell = Cell(
                paper=protocol.paper,
                table=printed,
                row=name,
                column=title,
                value=value,
                spread=spread,
                unit=UNITS[column.statistic],
                n=protocol.seeds if spread is not None else None,
                note=row.note,
                suspicious="",
            )
            yield Printed(cell, row, column, row.source or table.source)


def _told(detail: Any) -> str:
    place = ".".join(map(str, detail["loc"])) or "the file"
    found = "" if detail["type"] == "missing" else f", found {detail['input']!r}"
    return f"{place}: {detail['msg']}{found}"
