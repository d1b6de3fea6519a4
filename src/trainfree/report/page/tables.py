"""Tables as the page shows them: read from the Markdown that stands beside every CSV.

The Markdown holds the readable version and its caption, so a table that is new to the suite
appears on the page without a line of code here. A CSV without Markdown is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainfree.analysis.origins import LARGEST_TABLE
from trainfree.analysis.papers.verdicts import VERDICTS
from trainfree.files.small_files import text_of
from trainfree.analysis.formats import MISSING, is_numeric
from trainfree.analysis.tables import MADE_FROM, csv_cell, read_table
from trainfree.errors import DataFileError
from trainfree.report.page.gate import Gate

VERDICT, MEASURED = "Verdict", "Measured"
MOST_COLUMNS = 1000
_NUMBER = re.compile(r"[-−]?(?:\d[\d,]*(?:\.\d+)?|∞)")
_MARKUP = re.compile(r"\\(.)|&(lt|amp);|(\|)")
_ENTITIES = {"lt": "<", "amp": "&"}
_HEADING_END = re.compile(r"[;.](?= )|(?= \()")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it shows, its place when sorted by number, and a verdict."""

    text: str
    order: str = ""
    verdict: str = ""


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
    """

    name: str
    heading: str
    caption: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    made_from: str = ""
    file: str = ""

    @property
    def has_verdicts(self) -> bool:
        """Whether published numbers are judged in it."""
        return any(cell.verdict for row in self.rows for cell in row)

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

    def view(name: str, contents: Mapping[str, bytes]) -> TableView | None:
        for suffix in ("md", "csv"):
            path = folder / f"{name}.{suffix}"
            if suffix in contents:
                try:
                    return _read(path, name, f"{name}.{'csv' if 'csv' in contents else 'md'}")
                except DataFileError as error:
                    gate.leave_out(path, error)
        return None

    return gate.views(folder, ("csv", "md"), LARGEST_TABLE, view)


def read_view(folder: Path, name: str) -> TableView:
    """Return one table of a folder, whatever it was made from.

    Raises
    ------
    DataFileError
        When its file is damaged.
    """
    readable, plain = folder / f"{name}.md", folder / f"{name}.csv"
    file = f"{name}.{'csv' if plain.is_file() else 'md'}"
    return _read(readable if readable.is_file() else plain, name, file)


def _read(path: Path, name: str, file: str) -> TableView:
    text = text_of(path, LARGEST_TABLE)
    if path.suffix == ".md":
        parsed = parse_markdown(text, path)
    else:
        _check_columns(text.partition("\n")[0].count(",") + 1, path)
        frame = read_table(path)
        shown = frame.map(csv_cell)
        parsed = Parsed(
            name.replace("_", " "),
            tuple(map(str, frame.columns)),
            tuple(is_numeric(shown[column]) for column in shown.columns),
            tuple(shown.itertuples(index=False, name=None)),
        )
    _check_columns(len(parsed.columns), path)
    return _view(name, parsed, f"{path.parent.name}/{file}")


def _check_columns(count: int, path: Path) -> None:
    if count > MOST_COLUMNS:
        raise DataFileError(
            f"{path}: expected at most {MOST_COLUMNS} columns, found {count:,}; delete it and run "
            "again"
        )


@dataclass(frozen=True)
class Parsed:
    """A table as text: title, columns, which of them are set flush right, rows of cells, data."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...] = field(default=())
    made_from: str = ""


def parse_markdown(text: str, origin: Path) -> Parsed:
    """Undo :func:`trainfree.analysis.tables.markdown_text`.

    Raises
    ------
    DataFileError
        When the text is not such a table.
    """
    lines = text.rstrip("\n").split("\n")
    titled = len(lines) > 3 and lines[0][:2] == lines[0][-2:] == "**"
    told = lines[2] if titled and lines[2].startswith(MADE_FROM) else ""
    rows = [_cells(line) for line in lines[4 if told else 2 :]] if titled else []
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise DataFileError(
            f"{origin}: expected a caption in bold, a blank line and rows of equally many cells, "
            "as trainfree writes tables, found something else; delete it and run again"
        )
    numeric = tuple(rule.endswith(":") for rule in rows[1])
    title = _plain(lines[0][2:-2])
    made_from = "|".join(_plain(told)).removeprefix(MADE_FROM).removesuffix(".")
    return Parsed("|".join(title), rows[0], numeric, tuple(rows[2:]), made_from)


def made_view(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> TableView:
    """Return a table that the page itself makes; columns of numbers are found by their cells."""
    parts = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    numeric = tuple(bool(part) and all(map(_is_number, part)) for part in parts)
    return _view(name, Parsed(title, tuple(columns), numeric, tuple(map(tuple, rows))), "")


def sort_key(text: str) -> str:
    """Return the first number of a shown cell in plain digits; empty where there is none."""
    found = _NUMBER.search(text)
    if found is None:
        return ""
    return found.group().replace(",", "").replace("−", "-").replace("∞", "Infinity")


def _view(name: str, parsed: Parsed, file: str) -> TableView:
    parsed = _with_verdict_beside(parsed)
    judged = [column == VERDICT for column in parsed.columns]
    rows = tuple(
        tuple(
            Cell(
                text,
                sort_key(text) if as_number else "",
                text.replace(" ", "-") if verdict and text in VERDICTS else "",
            )
            for text, as_number, verdict in zip(row, parsed.numeric, judged, strict=True)
        )
        for row in parsed.rows
    )
    end = _HEADING_END.search(parsed.title)
    place = len(parsed.title) if end is None else end.start()
    heading, rest = parsed.title[:place], parsed.title[place:].lstrip(";. ")
    rest = rest[:1].upper() + rest[1:]
    return TableView(
        name, heading, rest, parsed.columns, parsed.numeric, rows, parsed.made_from, file
    )


def _with_verdict_beside(parsed: Parsed) -> Parsed:
    """Move the verdict next to the measured value, where a narrow screen still shows it."""
    if VERDICT not in parsed.columns or MEASURED not in parsed.columns:
        return parsed
    order = [place for place, name in enumerate(parsed.columns) if name != VERDICT]
    order.insert(order.index(parsed.columns.index(MEASURED)) + 1, parsed.columns.index(VERDICT))
    return replace(
        parsed,
        columns=tuple(parsed.columns[place] for place in order),
        numeric=tuple(parsed.numeric[place] for place in order),
        rows=tuple(tuple(row[place] for place in order) for row in parsed.rows),
    )


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in _plain(line)[1:-1])


def _plain(text: str) -> list[str]:
    """Return the cells of a line without its markup."""
    cells, place = [""], 0
    for found in _MARKUP.finditer(text):
        letter, entity, bar = found.groups()
        cells[-1] += text[place : found.start()] + (letter or _ENTITIES.get(entity, ""))
        place = found.end()
        if bar:
            cells.append("")
    cells[-1] += text[place:]
    return cells


def _is_number(text: str) -> bool:
    return text in ("", MISSING) or _NUMBER.match(text) is not None
