"""Tables as files: CSV for programs, Markdown and LaTeX for people, JSON for the page.

The CSV holds every column, numbers with six significant digits. The others hold the readable
version: fewer columns, intervals and spreads in one cell. Names come from files and may hold
anything, so what would be markup is escaped. Equal tables give equal bytes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from pandas.api.types import is_numeric_dtype

from trainfree.analysis.formats import is_numeric
from trainfree.analysis.origins import NOWHERE, MadeFrom, Place, Readable, write_with_origin
from trainfree.errors import DataFileError
from trainfree.files.reading import open_file

MADE_FROM = "Made from "
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "±": r"$\pm$",
    "−": r"$-$",
    "∞": r"$\infty$",
    "τ": r"$\tau$",
    "ρ": r"$\rho$",
}


class Column(NamedTuple):
    """A column of the CSV file: its name, and whether it holds text or numbers."""

    name: str
    kind: Literal["text", "number"]


def text(*names: str) -> tuple[Column, ...]:
    """Return columns of text, empty where there is none."""
    return tuple(Column(name, "text") for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Return columns of numbers, NaN where there is none."""
    return tuple(Column(name, "number") for name in names)


def names_of(columns: Sequence[Column]) -> list[str]:
    """Return the names of columns."""
    return [column.name for column in columns]


def write_tables(
    frame: pd.DataFrame,
    shown: pd.DataFrame,
    title: str,
    made_from: MadeFrom,
    output_stem: Path,
    place: Place = NOWHERE,
) -> None:
    """Write ``<stem>.csv`` from ``frame``, ``<stem>.md``, ``.tex`` and ``.json`` from ``shown``.

    ``<stem>.json`` is written last and says too which data files they were made from.

    Parameters
    ----------
    frame
        All columns, one value a cell.
    shown
        The version for readers: cells of text.
    title
        Caption of the readable table.
    made_from
        What it is made from, see :func:`trainfree.analysis.data_line.data_line`.
    output_stem
        Path without suffix.
    place
        Where it stands on the page.

    Raises
    ------
    DataFileError
        When a file cannot be written.
    """
    texts = {
        "csv": csv_text(frame),
        "md": markdown_text(shown, title, made_from.text),
        "tex": latex_text(shown, title, made_from.text),
    }
    contents = {suffix: content.encode() for suffix, content in texts.items()}
    readable = Readable(
        title=_one_line(title),
        made_from=_one_line(made_from.text),
        columns=tuple(_one_line(name) for name in shown.columns),
        rows=tuple(tuple(map(_one_line, row)) for row in shown.itertuples(index=False)),
        section=place.section,
        rank=place.rank,
    )
    write_with_origin(output_stem, contents, made_from, readable)


def read_table(path: Path, columns: Sequence[Column] = ()) -> pd.DataFrame:
    """Read a CSV file that :func:`write_tables` wrote.

    Parameters
    ----------
    columns
        Those that it begins with. Columns of text hold text, empty where there is none, even when
        an entry looks like a number or reads ``nan``. Without them, a column is text where an
        entry of it is no number.

    Raises
    ------
    DataFileError
        When the file is missing, not a table, or has other columns.
    """
    names = [column.name for column in columns if column.kind == "text"]
    try:
        with open_file(path, "no such table; run the rule that makes it") as file:
            frame = pd.read_csv(
                file,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8",
                dtype=dict.fromkeys(names, "str"),
            )
    except ValueError as error:  # pandas' own errors are of this kind
        raise DataFileError(f"{path}: is not a CSV table ({error}); delete it and run again") from (
            error
        )
    wanted = names_of(columns)
    if list(frame.columns[: len(wanted)]) != wanted:
        raise DataFileError(
            f"{path}: expected the columns {', '.join(wanted)}, found "
            f"{', '.join(map(str, frame.columns))}; make the table again"
        )
    texts = names if columns else [str(name) for name in frame if not is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].fillna("") for name in texts})


def rows_of_setting(
    table: pd.DataFrame, attributes: Mapping[str, Any], origin: Path
) -> pd.DataFrame:
    """Return the rows of a scores file's space, data set and setting.

    Parameters
    ----------
    table
        Rows of the table that ``origin`` holds.
    attributes
        Those of the scores file.

    Raises
    ------
    DataFileError
        When there is none.
    """
    found = table
    keys = ("space", "dataset", "setting")
    for key in keys:
        found = found[found[key] == str(attributes[key])]
    if found.empty:
        place = ", ".join(str(attributes[key]) for key in keys)
        raise DataFileError(f"{origin}: has no row of {place}; make it again")
    return found


def csv_text(frame: pd.DataFrame) -> str:
    """Return the frame as CSV: six significant digits, empty cells where there is no value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([csv_cell(value) for value in row])
    return buffer.getvalue()


def csv_cell(value: object) -> str:
    """Return one cell: empty for None and NaN, ``inf`` and ``-inf`` as such."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def markdown_text(shown: pd.DataFrame, title: str, made_from: str = "") -> str:
    """Return a GitHub table below a caption and what it is made from; numbers are right-aligned."""
    header = [_markdown_cell(name) for name in shown.columns]
    rules = ["---:" if is_numeric(shown[name]) else ":---" for name in shown.columns]
    rows = [[_markdown_cell(value) for value in row] for row in shown.itertuples(index=False)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rules, *rows)]
    above = [f"**{_markdown_cell(title)}**", ""]
    if made_from:
        above += [_markdown_cell(f"{MADE_FROM}{made_from}."), ""]
    return "\n".join([*above, *lines]) + "\n"


def latex_text(shown: pd.DataFrame, title: str, made_from: str = "") -> str:
    """Return a ``table`` environment; it needs the package booktabs."""
    columns = "".join("r" if is_numeric(shown[name]) else "l" for name in shown.columns)
    rows = [
        " & ".join(_latex_cell(value) for value in row) + r" \\"
        for row in (tuple(shown.columns), *shown.itertuples(index=False))
    ]
    body = [r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
    caption = f"{title}. {MADE_FROM}{made_from}." if made_from else title
    head = [r"\begin{table}", r"\centering", rf"\caption{{{_latex_cell(caption)}}}"]
    lines = [*head, rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def without_constants(
    shown: pd.DataFrame, names: Sequence[str], title: str
) -> tuple[pd.DataFrame, str]:
    """Move those of the named columns that say the same in every row into the title."""
    constant = [name for name in names if len(set(shown[name])) == 1]
    told = [f"{name.lower()} {shown[name].iloc[0]}" for name in constant if shown[name].iloc[0]]
    return shown.drop(columns=constant), f"{title} ({'; '.join(told)})" if told else title


def _one_line(value: object) -> str:
    return " ".join(csv_cell(value).split())


def _markdown_cell(value: object) -> str:
    text = _one_line(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for mark in "|*_`[]":
        text = text.replace(mark, "\\" + mark)
    return text


def _latex_cell(value: object) -> str:
    return "".join(LATEX_ESCAPES.get(letter, letter) for letter in _one_line(value))
