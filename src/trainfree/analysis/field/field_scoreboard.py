"""How many printed cells of the tables of proxies reproduce."""

from __future__ import annotations

import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.field.comparing import TARGET
from trainfree.analysis.formats import plain
from trainfree.analysis.origins import MadeFrom, files_behind
from trainfree.analysis.papers.verdicts import (
    EQUAL,
    MISSING,
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    REPRODUCED,
)
from trainfree.analysis.tables import numbers, text

BEFORE = ("field_vkdnw", "field_aznas", "field_zerocost")
COUNTED = {
    "reproduced": REPRODUCED,
    "not_reproduced": NOT_REPRODUCED,
    "not_comparable": NOT_COMPARABLE,
    "not_run": MISSING,
}
POWER = ("equal_within_noise", "swaps", "swaps_passed")


@table(
    title="Published tables of proxies: cells by verdict. Not run: the proxy or data set was not "
    "scored. Other rows' numbers tried: measured numbers compared with the printed number of "
    "another row",
    columns=(*text("table"), *numbers(*COUNTED, *POWER)),
    shown={
        **{name.replace("_", " ").capitalize(): plain(name) for name in ("table", *COUNTED)},
        "Of the reproduced, equal within noise": plain("equal_within_noise"),
        "Other rows' numbers tried": plain("swaps"),
        "Of them passed": plain("swaps_passed"),
    },
    reads=("published_field",),
    after=BEFORE,
    of="field",
    target=TARGET,
    section="proxies",
    rank=61,
    copied=True,
    memory_mb=500,
)
def field_scoreboard(inputs: Inputs) -> Made:
    """Return the number of cells of each printed table by verdict."""
    cells = pd.concat([inputs.rows_of(name) for name in BEFORE], ignore_index=True)
    rows = []
    for name, group in cells.groupby("table", sort=False):
        words = group["verdict"]
        row: dict[str, object] = {"table": str(name)}
        row |= {key: int((words == word).sum()) for key, word in COUNTED.items()}
        row["equal_within_noise"] = int((group["grade"] == EQUAL).sum())
        row |= {key: int(group[key].sum()) for key in POWER[1:]}
        rows.append(row)
    paths = [inputs.table(name) for name in BEFORE]
    behind = tuple(file for path in paths for file in files_behind(path))
    return Made(rows, MadeFrom(f"the cells of {', '.join(BEFORE)}", behind))
