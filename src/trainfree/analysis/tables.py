"""Tables as CSV for programs, Markdown and LaTeX for people: equal frames give equal bytes.

The CSV holds every column, numbers with six significant digits. Markdown and LaTeX hold the
readable version: fewer columns, intervals and spreads in one cell. Names come from files and may
hold anything, so what would be markup is escaped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.origins import MadeFrom, write_with_origin
from trainfree.errors import DataFileError
from trainfree.files.reading import open_file
from trainfree.trainings import TRAINING_SECONDS

MISSING = "–"
MADE_FROM = "Made from "
TEXT_COLUMNS = (
    *("space", "dataset", "setting", "proxy", "target", "rows", "excluded_because", "note"),
    *("row", "algorithm", "signal", "outcome", "headline", "comparable", "published_where"),
    *("part", "name", "device", "metric", "value", "unit"),
    *("paper", "table", "column", "verdict", "reason", "search", "first", "second", "better"),
    *("minus_infinity", "budget_kind", "stand_in", "as_good_as_best"),
)
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


def write_tables(
    frame: pd.DataFrame, shown: pd.DataFrame, title: str, made_from: MadeFrom, output_stem: Path
) -> None:
    """Write ``<stem>.csv`` from ``frame``, ``<stem>.md`` and ``<stem>.tex`` from ``shown``.

    At last, ``<stem>.json`` says which data files they were made from.

    Parameters
    ----------
    frame
        All columns, one value a cell.
    shown
        The version for readers: cells of text.
    title
        Caption of the Markdown and the LaTeX table.
    made_from
        What it is made from, see :func:`trainfree.analysis.data_line.data_line`.
    output_stem
        Path without suffix.

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
    contents = {suffix: text.encode() for suffix, text in texts.items()}
    write_with_origin(output_stem, contents, made_from)


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file that :func:`write_tables` wrote.

    The columns of ``TEXT_COLUMNS`` hold text, empty where there is none, even when an entry looks
    like a number or reads ``nan``.

    Raises
    ------
    DataFileError
        When the file is missing or not a table.
    """
    try:
        with open_file(path, "no such table; run the rule that makes it") as file:
            frame = pd.read_csv(
                file,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8",
                dtype=dict.fromkeys(TEXT_COLUMNS, "str"),
            )
    except ValueError as error:  # pandas' own errors are of this kind
        raise DataFileError(f"{path}: is not a CSV table ({error}); delete it and run again") from (
            error
        )
    filled = {name: frame[name].fillna("") for name in TEXT_COLUMNS if name in frame}
    return frame.assign(**filled)


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


def is_numeric(column: pd.Series) -> bool:
    """Tell whether a column of shown cells holds numbers, so that it is set flush right."""
    filled = [str(value) for value in column if str(value) not in ("", MISSING)]
    return bool(filled) and all(
        text.lstrip("−-+<> ")[:1].isdigit() or text.lstrip("−-") == "∞" for text in filled
    )


def without_constants(
    shown: pd.DataFrame, names: Sequence[str], title: str
) -> tuple[pd.DataFrame, str]:
    """Move those of the named columns that say the same in every row into the title."""
    constant = [name for name in names if len(set(shown[name])) == 1]
    told = [f"{name.lower()} {shown[name].iloc[0]}" for name in constant if shown[name].iloc[0]]
    return shown.drop(columns=constant), f"{title} ({'; '.join(told)})" if told else title


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


def _one_line(value: object) -> str:
    return " ".join(csv_cell(value).split())


def _markdown_cell(value: object) -> str:
    text = _one_line(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for mark in "|*_`[]":
        text = text.replace(mark, "\\" + mark)
    return text


def _latex_cell(value: object) -> str:
    return "".join(LATEX_ESCAPES.get(letter, letter) for letter in _one_line(value))
