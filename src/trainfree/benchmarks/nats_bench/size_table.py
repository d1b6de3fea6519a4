"""Accuracies of the size space as tabulated in the local mirror (a gzip'ed CSV file)."""

from __future__ import annotations

import numpy as np

from trainfree.benchmarks.schema import BenchmarkTable, parse_architecture, positions
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.nats_sss.space import SizeSpace

SUFFIXES = {"cifar10": "c10", "cifar100": "c100", "ImageNet16-120": "in16"}
EPOCHS, SEED = 90, "777"
"""The one training after 90 epochs that there is of each architecture."""


def read_size_table(delivery: Delivery, space: SizeSpace) -> BenchmarkTable:
    """Read test accuracies after 90 epochs and parameters; nothing else is tabulated.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column or does not hold every architecture exactly once.
    """
    path = delivery.files["table"]
    numbers = {
        *(f"{suffix}_test_{EPOCHS}" for suffix in SUFFIXES.values()),
        *(f"params_{suffix}" for suffix in SUFFIXES.values()),
    }
    columns = {"index": int, "arch": str} | dict.fromkeys(sorted(numbers), float)
    table = read_table(path, columns, 2 * len(space))
    indices = [parse_architecture(space, text, str(path)) for text in table["arch"]]
    table = table.iloc[positions(space, indices, str(path))]

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return table[name].to_numpy(dtype=np.float64)

    return BenchmarkTable(
        accuracy={
            (dataset, "test", EPOCHS, SEED): column(f"{suffix}_test_{EPOCHS}")
            for dataset, suffix in SUFFIXES.items()
        },
        params={dataset: column(f"params_{suffix}") for dataset, suffix in SUFFIXES.items()},
        official_index=table["index"].to_numpy(dtype=np.int64),
    )
