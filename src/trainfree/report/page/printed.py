"""A published table in its own layout: rows and columns as printed, our number under each.

What was not run is no row of dashes: one line names it with the reason.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import NamedTuple

from trainfree.analysis.formats import MISSING
from trainfree.analysis.origins import Readable
from trainfree.analysis.papers.verdicts import VERDICTS, plain_word

SHOWN = ("Row", "Column", "Published", "Measured", "Verdict")
SAID = ("reason", "note")
NOT_RUN = "not run"


class Cell(NamedTuple):
    """A printed number with ours: texts, the verdict's style, and the mark of its reason."""

    published: str
    measured: str
    word: str
    verdict: str
    mark: str


class Entry(NamedTuple):
    """A cell as the files of its table have it."""

    row: str
    column: str
    published: str
    measured: str
    word: str
    reason: str
    note: str


@dataclass(frozen=True)
class Printed:
    """A published table in its own layout.

    Attributes
    ----------
    columns
        Those in which anything was measured.
    rows
        The same of rows: a label, and a cell a column, None where the paper prints none.
    reasons
        Pairs of a mark and the reason behind the verdicts that bear it.
    lacking
        Sentences on what was not run.
    notes
        Pairs of rows and what is said of all of their cells.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    reasons: tuple[tuple[str, str], ...]
    lacking: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]


def read_printed(table: Readable, content: bytes) -> Printed | None:
    """Return the printed layout of a table; None where it is no published table beside ours.

    Parameters
    ----------
    table, content
        Its readable version, and its CSV file, which has the reasons by themselves.
    """
    if not set(SHOWN).issubset(table.columns):
        return None
    places = [table.columns.index(name) for name in SHOWN]
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(rows) != len(table.rows):
        return None
    entries = [
        Entry(*(shown[place] for place in places), *(row.get(key) or "" for key in SAID))
        for shown, row in zip(table.rows, rows, strict=True)
    ]
    if len({(entry.row, entry.column) for entry in entries}) < len(entries):
        return None
    return _laid_out(entries)


def _laid_out(entries: Sequence[Entry]) -> Printed:
    run = [entry for entry in entries if _is_run(entry)]
    rows, columns = _each_once(entry.row for entry in run), _each_once(e.column for e in run)
    shown = {(e.row, e.column): e for e in entries if e.row in rows and e.column in columns}
    marks = _marks(shown.values())
    grid = tuple(
        (row, tuple(_cell(shown.get((row, column)), marks) for column in columns)) for row in rows
    )
    return Printed(
        columns=tuple(columns),
        rows=grid,
        reasons=tuple((mark, reason) for reason, mark in marks.items()),
        lacking=tuple(_lacking(entries, rows, columns)),
        notes=tuple(_notes(shown.values())),
    )


def _is_run(entry: Entry) -> bool:
    return entry.measured not in ("", MISSING)


def _cell(entry: Entry | None, marks: Mapping[str, str]) -> Cell | None:
    if entry is None:
        return None
    word = entry.word if _is_run(entry) else NOT_RUN
    plain = plain_word(word)
    style = plain.replace(" ", "-") if plain in VERDICTS else "missing"
    return Cell(entry.published, entry.measured, word, style, marks.get(entry.reason, ""))


def _marks(entries: Iterable[Entry]) -> dict[str, str]:
    """Return a letter for each reason, in the order of their first cells."""
    reasons = _each_once(entry.reason for entry in entries if entry.reason)
    letters = [*ascii_lowercase, *(f"{a}{b}" for a in ascii_lowercase for b in ascii_lowercase)]
    return dict(zip(reasons, letters, strict=False))


def _lacking(entries: Sequence[Entry], rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return a sentence for each reason why rows or columns have no measured cell."""
    by_reason: dict[str, list[str]] = {}
    for places, kind in ((rows, "row"), (columns, "column")):
        for name in _each_once(getattr(entry, kind) for entry in entries):
            if name not in places:
                own = [entry.reason for entry in entries if getattr(entry, kind) == name]
                by_reason.setdefault(_usual(own), []).append(name)
    everything = not rows
    return [
        f"{'' if everything else ', '.join(names) + ': '}{reason or 'nothing was measured'}"
        for reason, names in by_reason.items()
    ][: 1 if everything else None]


def _usual(reasons: Sequence[str]) -> str:
    counts = Counter(reason for reason in reasons if reason)
    return counts.most_common(1)[0][0] if counts else ""


def _notes(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    by_row: dict[str, list[str]] = {}
    for entry in entries:
        by_row.setdefault(entry.row, []).append(entry.note)
    rows: dict[str, list[str]] = {}
    for row, notes in by_row.items():
        for note in _each_once(filter(None, notes)):
            rows.setdefault(note, []).append(row)
    return [(", ".join(names), note) for note, names in rows.items()]


def _each_once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
