"""How many published cells of each table reproduce."""

from __future__ import annotations

import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import plain
from trainfree.analysis.overview.published import all_cells, behind
from trainfree.analysis.papers.verdicts import (
    EQUAL,
    MISSING,
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    VERDICTS,
    plain_word,
)
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError

SCORES = ("reproduced", "not_reproduced", "not_comparable")
POWER = ("equal_within_noise", "swaps", "swaps_passed")
ELSEWHERE = "in_another_setting"
SHOWN = {
    **{name.replace("_", " ").capitalize(): plain(name) for name in ("table", *SCORES)},
    "Of both verdicts, in another setting": plain(ELSEWHERE),
    "Of the reproduced, equal within noise": plain("equal_within_noise"),
    "Other rows' numbers tried": plain("swaps"),
    "Of them passed": plain("swaps_passed"),
}


@table(
    title="Published cells by verdict; cells without input count as not comparable",
    columns=(*text("table"), *numbers(*SCORES, ELSEWHERE, *POWER)),
    shown=SHOWN,
    reads=("published",),
    after=("comparison",),
    section="summary",
    rank=1,
    copied=True,
    memory_mb=500,
)
def scoreboard(inputs: Inputs) -> Made:
    """Return the number of cells of each published table by verdict.

    Raises
    ------
    DataFileError
        When a table is missing, is no published table beside ours, or holds an unknown verdict.
    """
    return Made(count_verdicts(all_cells(inputs)), behind(inputs))


def count_verdicts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return how many cells of each table have which verdict, and what the verdicts are worth.

    Cells whose inputs are absent count as not comparable; the reason stands with each cell. Those
    with a verdict in another setting than the paper's count with the others, and are counted apart.

    Raises
    ------
    DataFileError
        When a verdict is not one of those that the rule gives.
    """
    cells = cells.assign(word=cells["verdict"].map(plain_word))
    unknown = sorted(set(cells["word"]) - set(VERDICTS))
    if unknown:
        raise DataFileError(
            f"unknown verdict {unknown[0]!r}; expected one of {', '.join(VERDICTS)}"
        )
    words = {REPRODUCED: 0, NOT_REPRODUCED: 1, NOT_COMPARABLE: 2, MISSING: 2}
    rows = []
    for name, group in cells.groupby("table", sort=False):
        places = group["word"].map(words)
        counts = [int((places == place).sum()) for place in range(len(SCORES))]
        counts.append(int((group["word"] != group["verdict"]).sum()))
        power = (group["grade"] == EQUAL).sum(), group["swaps"].sum(), group["swaps_passed"].sum()
        rows.append((str(name), *counts, *map(int, power)))
    return pd.DataFrame(rows, columns=["table", *SCORES, ELSEWHERE, *POWER])
