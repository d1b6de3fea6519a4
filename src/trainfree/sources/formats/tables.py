"""CSV tables from outside, plain or gzip'ed, read only as large as they should be."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainfree.errors import SourceError
from trainfree.sources.formats.reading import MIB, brief, brief_error, read_plain_or_gzip
from trainfree.sources.formats.wrong_files import require_kind

_LONGEST_HEADER = 64 * 1024
_MALFORMED = (ValueError, TypeError, OverflowError, MemoryError, RecursionError)


def read_table(
    path: Path,
    columns: Mapping[str, type],
    rows: int,
    header: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return columns of a table.

    Parameters
    ----------
    path
        The file, plain or gzip'ed.
    columns
        Their names, and ``str``, ``int`` or ``float`` for what they hold. Texts may not be missing,
        numbers are NaN where they are, whole numbers may not be missing either.
    rows
        Number of rows that the table can have.
    header
        Names of all its columns, of a file that does not have them in its first line.

    Raises
    ------
    SourceError
        When the file is another kind of file, cannot be read, is damaged, has more rows, or lacks
        a column, or when a column holds anything else.
    """
    packed = "gzip'ed " if path.suffix == ".gz" else ""
    wanted = f"a {packed}CSV table with columns {', '.join(columns)}"
    require_kind(path, wanted, ("gzip",))
    content = read_plain_or_gzip(path, MIB + rows * 4096, wanted)
    if header is None:
        _require_one_of_each(content, columns, path)
    kinds = {name: object if kind is str else np.float64 for name, kind in columns.items()}
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            usecols=list(columns),
            dtype=kinds,
            nrows=rows + 1,
            names=None if header is None else list(header),
            index_col=False,
            encoding="utf-8",
        )
    except _MALFORMED as error:
        raise SourceError(
            f"{path}: expected {wanted}; cannot be read ({brief_error(error)})"
        ) from error
    if len(table) > rows:
        raise SourceError(f"{path}: expected at most {rows:,} rows, found more")
    for name, kind in columns.items():
        table[name] = _checked(table[name], kind, f"{path}: column {name!r}")
    return table


def _require_one_of_each(content: bytes, columns: Mapping[str, type], path: Path) -> None:
    """Refuse a table in which a wanted column occurs twice: pandas would take the first."""
    header = content[: content.find(b"\n") + 1 or len(content)][:_LONGEST_HEADER]
    names = header.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n").split(",")
    found = [name.strip('"') for name in names]
    if twice := [name for name in columns if found.count(name) > 1]:
        raise SourceError(
            f"{path}: expected one column {twice[0]!r}, found {found.count(twice[0])}"
        )


def _checked(column: pd.Series, kind: type, where: str) -> pd.Series:
    if kind is float:
        return column
    if kind is int:
        values = column.to_numpy(np.float64)
        wrong = ~(np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**53))
    else:
        wrong = np.array([not isinstance(text, str) for text in column], dtype=bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = "a whole number" if kind is int else "a string"
        raise SourceError(
            f"{where}: line {row + 2}: expected {expected}, found {brief(column.iloc[row])}"
        )
    return column.astype(np.int64) if kind is int else column
