"""Final results on the seven tasks as tabulated in the local mirror (gzip'ed CSV files)."""

from __future__ import annotations

import numpy as np

from trainfree.benchmarks.schema import BenchmarkTable, parse_architecture, positions
from trainfree.errors import SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.protocol import Space
from trainfree.trainings import CORRECT, TASK_METRICS, UNSTATED_EPOCHS

METRICS = {
    **dict.fromkeys(("class_scene", "class_object", "jigsaw"), CORRECT),
    **TASK_METRICS,
}
"""The tasks and what is measured of each (Duan et al., CVPR 2021, section 3.3)."""
ABSENT = frozenset({"64-113444-basic"})
"""Of the 3,256 architectures of the macro space, the one that the table lacks."""
SEED = "666"
"""The one training of each architecture: the seed of the published training scripts."""


def read_results(delivery: Delivery, space: Space) -> BenchmarkTable:
    """Read validation results after the last epoch; nothing else is tabulated.

    The files do not state the number of epochs.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column, or does not hold every architecture exactly
        once, but for those known to be absent.
    """
    path = delivery.files["table"]
    table = read_table(path, {"arch": str} | dict.fromkeys(METRICS, float), 2 * len(space))
    indices = [parse_architecture(space, text, str(path)) for text in table["arch"]]
    absent = [index for index in range(len(space)) if space.to_string(index) in ABSENT]
    if found := sorted(set(absent) & set(indices)):
        raise SourceError(
            f"{path}: expected no row of {space.to_string(found[0])}, which the published lists "
            "lack; this is another file"
        )
    # The absent ones get a row of NaN at the end, so that all others must be there once.
    rows = positions(space, [*indices, *absent], str(path))

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = table[name].to_numpy(dtype=np.float64)
        missing = np.flatnonzero(np.isnan(values))
        if missing.size:
            raise SourceError(
                f"{path}: column {name!r}: line {missing[0] + 2}: expected a number, found none"
            )
        return np.concatenate([values, np.full(len(absent), np.nan)])[rows]

    remark = f"{len(absent)} architecture has no results" if absent else ""
    return BenchmarkTable(
        accuracy={(task, "valid", UNSTATED_EPOCHS, SEED): column(task) for task in METRICS},
        metrics=METRICS,
        remark=remark,
        partial=bool(absent),
    )
