"""All published cells in one file, and how many of each table reproduce."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trainfree.analysis.origins import MadeFrom, files_behind
from trainfree.analysis.papers.comparison import COLUMNS
from trainfree.analysis.papers.verdicts import (
    MISSING,
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    VERDICTS,
)
from trainfree.analysis.tables import read_table, write_tables
from trainfree.errors import DataFileError

TITLE = "Published cells by verdict; absent inputs count as not comparable"
SCORES = ("reproduced", "not_reproduced", "not_comparable")
PUBLISHED_TITLE = "Every published cell beside the measured one"


def tabulate_scoreboard(comparisons: Sequence[Path], folder: Path) -> pd.DataFrame:
    """Write ``published`` and ``scoreboard`` into a folder and return the scoreboard.

    Parameters
    ----------
    comparisons
        CSV files of published tables beside ours, in the order of the lines.
    folder
        ``results/tables``.

    Raises
    ------
    DataFileError
        When a file is missing or is no such table.
    """
    frames = [_read(path) for path in comparisons]
    cells = pd.concat(frames, ignore_index=True)
    counted = count_verdicts(cells)
    short = cells[["table", "row", "column", "verdict", "reason"]]
    shown = short.set_axis([name.capitalize() for name in short.columns], axis=1)
    made_from = MadeFrom(
        f"the cells of {', '.join(path.stem for path in comparisons)}",
        tuple(file for path in comparisons for file in files_behind(path)),
    )
    write_tables(cells, shown, PUBLISHED_TITLE, made_from, folder / "published")
    readable = counted.set_axis(
        [name.replace("_", " ").capitalize() for name in counted.columns], axis=1
    )
    write_tables(counted, readable, TITLE, made_from, folder / "scoreboard")
    return counted


def count_verdicts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the columns ``table, reproduced, not_reproduced, not_comparable``.

    Cells whose inputs are absent count as not comparable; the reason stands with each cell.

    Raises
    ------
    DataFileError
        When a verdict is not one of those that the rule gives.
    """
    unknown = sorted(set(cells["verdict"]) - set(VERDICTS))
    if unknown:
        raise DataFileError(
            f"unknown verdict {unknown[0]!r}; expected one of {', '.join(VERDICTS)}"
        )
    words = {REPRODUCED: 0, NOT_REPRODUCED: 1, NOT_COMPARABLE: 2, MISSING: 2}
    rows = []
    for table, group in cells.groupby("table", sort=False):
        places = group["verdict"].map(words)
        counts = [int((places == place).sum()) for place in range(len(SCORES))]
        rows.append((str(table), *counts))
    return pd.DataFrame(rows, columns=["table", *SCORES])


def _read(path: Path) -> pd.DataFrame:
    frame = read_table(path)
    if tuple(frame.columns) != COLUMNS:
        raise DataFileError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, found "
            f"{', '.join(frame.columns)}; make the table again"
        )
    return frame
