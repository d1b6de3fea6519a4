"""What figures of shared weights have in common: their rows, their look, what is behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.origins import read_origin
from trainfree.analysis.papers.sharing import METHOD_TITLES
from trainfree.analysis.registry import read_rows
from trainfree.analysis.tables import MADE_FROM
from trainfree.errors import DataFileError
from trainfree.report.style.captions import sentences
from trainfree.report.style.colours import SERIES
from trainfree.report.style.look import DASHES

MARKERS = ("o", "s", "D", "^", "v", "P")
SETTING = ["preset", "scale"]


def rows_on(name: str, table: Path, dataset: str) -> pd.DataFrame:
    """Return the rows of a table on an image set, with a column ``label`` for its methods.

    Raises
    ------
    DataFileError
        When the table is missing or damaged, or has no such row.
    """
    rows = read_rows(name, table)
    found = rows[rows["dataset"] == dataset]
    if found.empty:
        there = ", ".join(dict.fromkeys(rows["dataset"])) or "none"
        raise DataFileError(
            f"{table}: expected rows of shared weights on {dataset}, found data sets {there}; "
            "make the table again"
        )
    return found


def label_of(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return what each row is called: its method, with the setting where it has several."""
    settings = rows.groupby(column)[SETTING].transform("nunique")
    labels: pd.Series = rows[column].copy()
    for key in SETTING:
        several = settings[key] > 1
        labels[several] += ", " + rows[key][several]
    return labels


def look_of(method: str, place: int) -> dict[str, Any]:
    """Return colour, marker and dash of a method: the same in all figures.

    Parameters
    ----------
    place
        Which setting of it, from 0.
    """
    titles = list(METHOD_TITLES.values())
    at = titles.index(method) if method in titles else len(titles)
    return {
        "color": SERIES[at % len(SERIES)],
        "marker": MARKERS[at % len(MARKERS)],
        "linestyle": DASHES[place % len(DASHES)],
    }


def made_from(table: Path) -> str:
    """Return a sentence on what a table was made from; empty where its file does not say."""
    try:
        readable = read_origin(table.with_suffix("")).table
    except DataFileError:
        return ""
    return "" if readable is None or not readable.made_from else f"{MADE_FROM}{readable.made_from}."


def notes(rows: pd.DataFrame) -> str:
    """Return the sentences of the rows' notes, each once."""
    told = (note for note in dict.fromkeys(rows["note"]) if note)
    return sentences(*(f"{note[0].upper()}{note[1:]}." for note in told))
