"""A list of scores from anywhere: a CSV file with a row an architecture and a column a proxy."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ArchitectureError, DataFileError, UnknownNameError, shown
from trainfree.files.small_files import text_of
from trainfree.spaces.protocol import Space
from trainfree.terminal.architectures import find_architecture

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
LARGEST = 256 << 20
"""Bytes of a list; that of all NAS-Bench-101 with ten proxies has a quarter of it."""
NAMES = ("architecture", "arch", "arch_str", "arch_string", "index", "arch_index", "cell")
"""Columns with such a name hold architectures; without one it is the first."""
ENCODINGS = ("own", "official", "naslib")
_MISSING = {"", "-", "na", "n/a", "nan", "none", "null"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
_PREFIXED = re.compile(r"[+-]?\d+|[(\[]?\d+(?:\s*,\s*\d+)+[)\]]?")
_SEPARATORS = (",", ";", "\t")
_TOLD = 5


@dataclass(frozen=True)
class OwnScores:
    """A list of scores.

    Attributes
    ----------
    path
        The file.
    arch
        (row,) indices in the space's order, in the order of the file.
    scores
        (row,) by proxy, so turned that higher is better; NaN where there is none.
    ignored
        Columns that were left out.
    """

    path: Path
    arch: NDArray[np.int64]
    scores: dict[str, Floats]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How a list is to be read.

    Attributes
    ----------
    architecture
        Column of the architectures; empty: found by its name, else the first.
    proxies
        Columns of scores; empty: all others.
    lower_is_better
        Those whose sign is turned.
    encoding
        What bare numbers stand for: the suite's own order or codes, ``official`` or ``naslib``.
    """

    architecture: str = ""
    proxies: Sequence[str] = ()
    lower_is_better: Sequence[str] = ()
    encoding: str = "own"


def read_own_scores(
    path: Path, space: Space, reading: Reading, benchmark: xr.Dataset | None = None
) -> OwnScores:
    """Read a list of scores.

    Parameters
    ----------
    path
        CSV in UTF-8 with a header; commas, semicolons or tabs between cells.
    space
        The space of its architectures, in any encoding that ``trainfree show`` takes.
    reading
        Which column is what.
    benchmark
        The content of the benchmark file, which knows official indices.

    Raises
    ------
    DataFileError
        When it is no such file; when rows hold what is no architecture of the space, one that
        another row has, or what is no number: the first such rows are named.
    UnknownNameError
        When a column that was named is not there.
    """
    header, rows = _table(path)
    place = _place_of_architectures(header, reading.architecture)
    columns = _score_columns(path, header, place, reading)
    wrong = _Wrong(path)
    arch = _architectures(rows, place, space, reading.encoding, benchmark, wrong)
    scores = {name: _scores(rows, header.index(name), name, wrong) for name in columns}
    wrong.raise_if_any()
    for name in reading.lower_is_better:
        scores[name] = -scores[name]
    used = {header[place], *columns}
    ignored = tuple(name or "(without a name)" for name in header if name not in used)
    return OwnScores(path, arch, scores, ignored)


class _Wrong:
    """Rows that cannot be read, told together."""

    def __init__(self, path: Path) -> None:
        self._path, self._found = path, dict[int, str]()

    def add(self, line: int, problem: str) -> None:
        self._found.setdefault(line, problem)

    def raise_if_any(self) -> None:
        """Raise DataFileError with the first rows that are wrong."""
        if not self._found:
            return
        first = sorted(self._found.items())[:_TOLD]
        told = "; ".join(f"line {line}: {problem}" for line, problem in first)
        more = len(self._found) - len(first)
        rest = f"; and {more} more" if more else ""
        raise DataFileError(f"{self._path}: {told}{rest}. Mend or remove these rows")


Rows = list[tuple[int, list[str]]]


def _table(path: Path) -> tuple[list[str], Rows]:
    """Return the header and the rows, each with its line in the file."""
    text = text_of(path, LARGEST).removeprefix("\ufeff")
    if not text.strip():
        raise DataFileError(f"{path}: is empty; expected a header and a row an architecture")
    first = next(line for line in text.splitlines() if line.strip())
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    filled = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                filled.append((reader.line_num, cells))
    except csv.Error as error:
        raise DataFileError(f"{path}: line {reader.line_num}: is no CSV ({error})") from None
    if not filled:
        raise DataFileError(f"{path}: has no cells; expected a header and a row an architecture")
    header, rows = [name.strip() for name in filled[0][1]], filled[1:]
    _check_shape(path, header, rows, separator)
    return header, rows


def _check_shape(path: Path, header: list[str], rows: Rows, separator: str) -> None:
    if len(header) < 2:
        raise DataFileError(
            f"{path}: expected a column of architectures and one of scores, found only "
            f"{shown(header[0])} in the first line; put commas between the columns"
        )
    named = [name for name in header if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataFileError(f"{path}: expected different columns, found {shown(twice)} twice")
    if not rows:
        raise DataFileError(f"{path}: has a header and no rows; expected a row an architecture")
    wrong = _Wrong(path)
    for line, cells in rows:
        if len(cells) != len(header):
            advice = "; put quotes around architectures with commas" if separator == "," else ""
            wrong.add(line, f"expected {len(header)} cells, found {len(cells)}{advice}")
    wrong.raise_if_any()


def _place_of_architectures(header: Sequence[str], named: str) -> int:
    if named:
        if named not in header:
            raise UnknownNameError("column", named, [name for name in header if name])
        return header.index(named)
    lowered = [name.lower() for name in header]
    return next((lowered.index(name) for name in NAMES if name in lowered), 0)


def _score_columns(path: Path, header: list[str], place: int, reading: Reading) -> list[str]:
    known = [name for number, name in enumerate(header) if name and number != place]
    for name in (*reading.proxies, *reading.lower_is_better):
        if name not in known:
            raise UnknownNameError("column", name, known)
    columns = list(dict.fromkeys(reading.proxies)) or known
    if not columns:
        raise DataFileError(f"{path}: has no column of scores beside {shown(header[place])}")
    unread = [name for name in reading.lower_is_better if name not in columns]
    if unread:
        raise DataFileError(f"{path}: the column {shown(unread[0])} is turned round but not read")
    return columns


def _architectures(
    rows: Rows,
    place: int,
    space: Space,
    encoding: str,
    benchmark: xr.Dataset | None,
    wrong: _Wrong,
) -> NDArray[np.int64]:
    first_line: dict[int, int] = {}
    found = []
    for line, cells in rows:
        text = cells[place].strip()
        if encoding != "own" and _PREFIXED.fullmatch(text):
            text = f"{encoding}:{text}"
        try:
            index = find_architecture(space, text, benchmark)
        except ArchitectureError as error:
            wrong.add(line, str(error) if text else "has no architecture")
            continue
        if index in first_line:
            again = f"architecture {index} ({shown(text)}) stands in line {first_line[index]}, too"
            wrong.add(line, again)
        first_line.setdefault(index, line)
        found.append(index)
    return np.array(found, dtype=np.int64)


def _scores(rows: Rows, place: int, name: str, wrong: _Wrong) -> Floats:
    return np.array(list(_numbers(rows, place, name, wrong)))


def _numbers(rows: Rows, place: int, name: str, wrong: _Wrong) -> Iterator[float]:
    for line, cells in rows:
        cell = cells[place].strip().replace("−", "-")
        if cell.lower() in _MISSING:
            yield np.nan
        elif _NUMBER.fullmatch(cell):
            yield float(cell)
        else:
            wrong.add(line, f"expected a number or nothing in {shown(name)}, found {shown(cell)}")
            yield np.nan
