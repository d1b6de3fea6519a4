"""Zero-cost proxies paper, beside ours: each cell with its verdict."""

from __future__ import annotations

from trainfree.analysis.declaration import JUDGING, RESAMPLING, Inputs, Made, table
from trainfree.analysis.field.comparing import COLUMNS, TARGET, compare, shown


@table(
    title="Zero-cost proxies paper: published and measured",
    columns=COLUMNS,
    shown=shown,
    once=("Table",),
    reads=("scores", "benchmark", "learned", "published_field"),
    of="field",
    target=TARGET,
    settings=(*RESAMPLING, *JUDGING),
    section="proxies",
    rank=64,
    copied=True,
    minutes=60,
)
def field_zerocost(inputs: Inputs) -> Made:
    """Return the cells of the paper's tables beside ours; absent data are named in them."""
    return compare(inputs, "zerocost")
