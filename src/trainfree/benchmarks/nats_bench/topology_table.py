"""NAS-Bench-201's accuracies as tabulated in the local mirror (two gzip'ed CSV files)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainfree.benchmarks.schema import (
    BenchmarkTable,
    Column,
    parse_architecture,
    positions,
)
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.trainings import MEAN_SEED

ACCURACY_COLUMNS = {
    "c10valid_val_12": ("cifar10-valid", "valid", 12),
    "c10valid_val_200": ("cifar10-valid", "valid", 200),
    "c10valid_test_200": ("cifar10-valid", "test", 200),
    "c10_test_12": ("cifar10", "test", 12),
    "c10_test_200": ("cifar10", "test", 200),
    "c100_val_12": ("cifar100", "valid", 12),
    "c100_test_12": ("cifar100", "test", 12),
    "c100_val_200": ("cifar100", "valid", 200),
    "c100_test_200": ("cifar100", "test", 200),
    "in16_val_12": ("ImageNet16-120", "valid", 12),
    "in16_test_12": ("ImageNet16-120", "test", 12),
    "in16_val_200": ("ImageNet16-120", "valid", 200),
    "in16_test_200": ("ImageNet16-120", "test", 200),
}
# Data set: (suffix of its columns, its epoch's share of the tabulated epoch). A cifar10-valid
# epoch sees half of the training images and costs exactly half.
SUFFIXES = {
    "cifar10-valid": ("c10", 0.5),
    "cifar10": ("c10", 1.0),
    "cifar100": ("c100", 1.0),
    "ImageNet16-120": ("in16", 1.0),
}
EPOCHS = (12, 200)
# The file does not say which seed a value belongs to, so runs are only numbered.
RUN_COLUMNS = {"run1": "acc_1", "run2": "acc_2", "run3": "acc_3"}


def read_mirror_table(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Read the table and, where the mirror has it, the file of single CIFAR-10 trainings.

    Raises
    ------
    SourceError
        When a file is damaged, lacks a column or does not hold every architecture exactly once.
    """
    path = delivery.files["table"]
    per_epoch = [f"train_s_per_epoch_{suffix}" for suffix, _ in set(SUFFIXES.values())]
    counts = [
        f"{kind}_{suffix}_M" for kind in ("params", "flops") for suffix, _ in SUFFIXES.values()
    ]
    numbers = sorted({*ACCURACY_COLUMNS, *per_epoch, *counts})
    columns = {"index": int, "arch_str": str} | dict.fromkeys(numbers, float)
    table = _in_space_order(read_table(path, columns, 2 * len(space)), space, path)
    accuracy = {
        (*outcome, MEAN_SEED): _floats(table, column)
        for column, outcome in ACCURACY_COLUMNS.items()
    }
    if "per_seed" in delivery.files:
        accuracy |= _single_trainings(delivery.files["per_seed"], space)
    seconds = {
        (dataset, epochs): _floats(table, f"train_s_per_epoch_{suffix}") * share * epochs
        for dataset, (suffix, share) in SUFFIXES.items()
        for epochs in EPOCHS
    }
    return BenchmarkTable(
        accuracy=accuracy,
        train_seconds=seconds,
        params=_counts(table, "params"),
        flops=_counts(table, "flops"),
        official_index=table["index"].to_numpy(dtype=np.int64),
    )


def _single_trainings(path: Path, space: CellSpace) -> dict[tuple[str, str, int, str], Column]:
    columns = {"arch_str": str} | dict.fromkeys(RUN_COLUMNS.values(), float)
    table = _in_space_order(read_table(path, columns, 2 * len(space)), space, path)
    return {
        ("cifar10", "test", 200, seed): _floats(table, column)
        for seed, column in RUN_COLUMNS.items()
    }


def _in_space_order(table: pd.DataFrame, space: CellSpace, path: Path) -> pd.DataFrame:
    indices = [parse_architecture(space, text, str(path)) for text in table["arch_str"]]
    return table.iloc[positions(space, indices, str(path))]


def _counts(table: pd.DataFrame, kind: str) -> dict[str, Column]:
    """Tabulated in millions with six decimals: whole numbers, but for rounding."""
    return {
        dataset: np.round(_floats(table, f"{kind}_{suffix}_M") * 1e6)
        for dataset, (suffix, _) in SUFFIXES.items()
    }


def _floats(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    return table[column].to_numpy(dtype=np.float64)
