"""Every published cell beside the measured one, of all papers in one table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import plain
from trainfree.analysis.origins import MadeFrom, files_behind
from trainfree.analysis.papers.comparison import COLUMNS
from trainfree.analysis.published import table_names
from trainfree.analysis.tables import read_table

_SHOWN = ("table", "row", "column", "verdict", "reason")


@table(
    title="Every published cell: printed and measured value",
    columns=COLUMNS,
    shown={name.capitalize(): plain(name) for name in _SHOWN},
    reads=("published",),
    after=("comparison",),
    section="papers",
    rank=1000,
    copied=True,
    memory_mb=500,
)
def published(inputs: Inputs) -> Made:
    """Return the cells of all published tables.

    Raises
    ------
    DataFileError
        When a table is missing or is no published table beside ours.
    """
    return Made(all_cells(inputs), behind(inputs))


def all_cells(inputs: Inputs) -> pd.DataFrame:
    """Return the cells of the papers' tables, in their order."""
    return pd.concat([read_table(path, COLUMNS) for path in _paths(inputs)], ignore_index=True)


def behind(inputs: Inputs) -> MadeFrom:
    """Return what a table of published cells is made from."""
    paths = _paths(inputs)
    return MadeFrom(
        f"the cells of {', '.join(path.stem for path in paths)}",
        tuple(file for path in paths for file in files_behind(path)),
    )


def _paths(inputs: Inputs) -> list[Path]:
    return [inputs.table(name) for name in table_names(inputs.papers)]
