"""Tables as the page shows them: the readable version that stands in the JSON beside every CSV.

It says too in which section a table stands, so a table that is new to the suite appears on the page
without a line of code here. A CSV without it is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainfree.analysis.formats import MISSING, is_numeric
from trainfree.analysis.origins import LARGEST_TABLE, NOWHERE, Origin, Place, Readable
from trainfree.analysis.papers.verdicts import VERDICTS, plain_word
from trainfree.analysis.tables import csv_cell, read_table
from trainfree.errors import DataFileError
from trainfree.report.page.gate import Gate
from trainfree.report.page.printed import Printed, read_printed

VERDICT, MEASURED = "Verdict", "Measured"
MOST_COLUMNS = 1000
_NUMBER = re.compile(r"[-−]?(?:\d[\d,]*(?:\.\d+)?|∞)")
_HEADING_END = re.compile(r"[;.](?= )|(?= \()")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it shows, its place when sorted by number, and a verdict."""

    text: str
    order: str = ""
    verdict: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """Its text, split before an interval in brackets at its end."""
        value, bracket, rest = self.text.partition(" [")
        is_interval = bool(bracket) and rest.endswith("]") and bool(self.order)
        return (value, f"[{rest}") if is_interval else (self.text, "")


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it.

    Attributes
    ----------
    name
        Its file's name without suffix.
    heading, caption
        The title's first words, and the rest of it.
    made_from
        The data behind it; empty where the file does not say.
    file
        The file with every column; empty for a table that the page itself makes.
    place
        Its section and its rank there.
    content
        The bytes of that file.
    printed
        A published table in its own layout; None for other tables.
    """

    name: str
    heading: str
    caption: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    made_from: str = ""
    file: str = ""
    place: Place = NOWHERE
    content: bytes = b""
    printed: Printed | None = None

    @property
    def is_unmeasured(self) -> bool:
        """Whether it has a column for measured values, and none in it."""
        if MEASURED not in self.columns:
            return False
        place = self.columns.index(MEASURED)
        return all(row[place].text in ("", MISSING) for row in self.rows)


def read_tables(folder: Path, gate: Gate) -> dict[str, TableView]:
    """Return the tables of a folder that belong to the run, by name.

    Those that do not, or cannot be read, are left with the gate.
    """

    def view(name: str, contents: Mapping[str, bytes], origin: Origin) -> TableView | None:
        path = folder / f"{name}.csv"
        try:
            return _read(path, contents["csv"], origin)
        except DataFileError as error:
            gate.leave_out(path, error)
        return None

    return gate.views(folder, ("csv",), LARGEST_TABLE, view)


def _read(path: Path, content: bytes, origin: Origin) -> TableView:
    file, table = f"{path.parent.name}/{path.name}", origin.table
    _check_columns(content.partition(b"\n")[0].count(b",") + 1, path)
    if table is None:
        return replace(_view(path.stem, _as_it_is(path), file), content=content)
    _check_columns(len(table.columns), path)
    view = _view(path.stem, table, file)
    return replace(view, content=content, printed=read_printed(table, content))


def _as_it_is(path: Path) -> Readable:
    """Return the CSV file as a readable table."""
    shown = read_table(path).map(csv_cell)
    columns, rows = tuple(map(str, shown.columns)), shown.itertuples(index=False, name=None)
    return Readable(path.stem.replace("_", " "), "", columns, tuple(rows))


def _check_columns(count: int, path: Path) -> None:
    if count > MOST_COLUMNS:
        raise DataFileError(
            f"{path}: expected at most {MOST_COLUMNS} columns, found {count:,}; delete it and run "
            "again"
        )


def made_view(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> TableView:
    """Return a table that the page itself makes; columns of numbers are found by their cells."""
    made = Readable(title, "", tuple(columns), tuple(map(tuple, rows)))
    return _view(name, made, "", _is_number)


def sort_key(text: str) -> str:
    """Return the first number of a shown cell in plain digits; empty where there is none."""
    found = _NUMBER.search(text)
    if found is None:
        return ""
    return found.group().replace(",", "").replace("−", "-").replace("∞", "Infinity")


def _view(
    name: str, table: Readable, file: str, is_number: Callable[[str], bool] | None = None
) -> TableView:
    """Return a table as the page shows it; ``is_number`` finds columns of numbers."""
    table = _with_verdict_beside(table)
    cells = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    numeric = tuple(
        is_numeric(part) if is_number is None else bool(part) and all(map(is_number, part))
        for part in cells
    )
    judged = [column == VERDICT for column in table.columns]
    rows = tuple(
        tuple(
            Cell(
                text,
                sort_key(text) if as_number else "",
                _class_of(text) if verdict else "",
            )
            for text, as_number, verdict in zip(row, numeric, judged, strict=True)
        )
        for row in table.rows
    )
    end = _HEADING_END.search(table.title)
    at = len(table.title) if end is None else end.start()
    heading, rest = table.title[:at], table.title[at:].lstrip(";. ")
    return TableView(
        name=name,
        heading=heading,
        caption=rest[:1].upper() + rest[1:],
        columns=table.columns,
        numeric=numeric,
        rows=rows,
        made_from=table.made_from,
        file=file,
        place=Place(table.section, table.rank),
    )


def _class_of(verdict: str) -> str:
    """Return the style of a verdict, in whatever setting it was passed."""
    word = plain_word(verdict)
    return word.replace(" ", "-") if word in VERDICTS else ""


def _with_verdict_beside(table: Readable) -> Readable:
    """Move the verdict next to the measured value, where a narrow screen still shows it."""
    if VERDICT not in table.columns or MEASURED not in table.columns:
        return table
    order = [place for place, name in enumerate(table.columns) if name != VERDICT]
    order.insert(order.index(table.columns.index(MEASURED)) + 1, table.columns.index(VERDICT))
    return replace(
        table,
        columns=tuple(table.columns[place] for place in order),
        rows=tuple(tuple(row[place] for place in order) for row in table.rows),
    )


def _is_number(text: str) -> bool:
    return text in ("", MISSING) or _NUMBER.match(text) is not None
