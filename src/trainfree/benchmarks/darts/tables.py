"""Lists of DARTS cells with accuracies, as tabulated in the local mirror (gzip'ed CSV files)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from trainfree.benchmarks.schema import BenchmarkTable, Column
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.darts.genotype import parse_genotype
from trainfree.spaces.darts.space import TrainedCells

ONE_TRAINING = "unstated"
"""In the place of a seed: one training, whose seed the source does not state."""
SURROGATE = "nasbench301-surrogate"
"""In the place of a data set: what a surrogate predicts for CIFAR-10, which nobody trained."""
_EPOCHS_OF_CURVE = (10, 25, 50, 100, 150, 200, 300, 400, 450, 500, 550, 600)
_MILLION = 1e6


def read_bench545(delivery: Delivery, space: TrainedCells) -> BenchmarkTable:
    """Read accuracies after 10 and 50 epochs, seconds, parameters and multiply-adds.

    The column ``valid_acc50`` is left out: it is ``test_acc50`` again.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column, or has another list of genotypes.
    """
    numbers = ("valid_acc10", "test_acc50", "train_acc10", "train_acc50", "train_s10", "train_s50")
    table = _read(delivery, space, [*numbers, "params_M", "flops_M"])
    return BenchmarkTable(
        accuracy={
            ("cifar10", "valid", 10, ONE_TRAINING): _column(table, "valid_acc10"),
            ("cifar10", "test", 50, ONE_TRAINING): _column(table, "test_acc50"),
        },
        train_seconds={
            ("cifar10", epochs): _column(table, f"train_s{epochs}") for epochs in (10, 50)
        },
        params={"cifar10": _counts(table, "params_M")},
        flops={"cifar10": _counts(table, "flops_M")},
        further={
            f"train_accuracy_{epochs}": (
                _column(table, f"train_acc{epochs}"),
                f"accuracy on the training images after {epochs} epochs",
            )
            for epochs in (10, 50)
        },
        architectures=tuple(table["genotype"]),
    )


def read_swap(delivery: Delivery, space: TrainedCells) -> BenchmarkTable:
    """Read validation accuracies after 200 epochs; the file has no header.

    Raises
    ------
    SourceError
        As :func:`read_bench545`.
    """
    table = _read(delivery, space, ["accuracy"], header=("genotype", "accuracy"))
    return BenchmarkTable(
        accuracy={("cifar10", "valid", 200, ONE_TRAINING): _column(table, "accuracy")},
        architectures=tuple(table["genotype"]),
    )


def read_random214(delivery: Delivery, space: TrainedCells) -> BenchmarkTable:
    """Read test accuracies on the way to 600 epochs, and the best of all epochs.

    Raises
    ------
    SourceError
        As :func:`read_bench545`.
    """
    *on_the_way, last = _EPOCHS_OF_CURVE
    names = {epochs: f"test_acc_ep{epochs}" for epochs in on_the_way} | {last: f"test_acc_{last}"}
    table = _read(delivery, space, [*names.values(), "test_acc_best"])
    return BenchmarkTable(
        accuracy={
            ("cifar10", "test", epochs, ONE_TRAINING): _column(table, name)
            for epochs, name in names.items()
        },
        further={
            "best_test_accuracy": (
                _column(table, "test_acc_best"),
                "highest test accuracy after any of 600 epochs",
            )
        },
        architectures=tuple(table["genotype"]),
    )


def read_nasbench301(delivery: Delivery, space: TrainedCells) -> BenchmarkTable:
    """Read the predictions of a surrogate, parameters and multiply-adds.

    Raises
    ------
    SourceError
        As :func:`read_bench545`.
    """
    table = _read(delivery, space, ["surrogate_val_acc", "params", "flops"])
    return BenchmarkTable(
        accuracy={(SURROGATE, "valid", 100, ONE_TRAINING): _column(table, "surrogate_val_acc")},
        params={SURROGATE: _counts(table, "params")},
        flops={SURROGATE: _counts(table, "flops")},
        architectures=tuple(table["genotype"]),
    )


def _read(
    delivery: Delivery,
    space: TrainedCells,
    numbers: list[str],
    header: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Return the table of all genotypes of the list, each written as the field writes it."""
    path = delivery.files["table"]
    columns: Mapping[str, type] = {"genotype": str} | dict.fromkeys(numbers, float)
    table = read_table(path, columns, 2 * len(space), header=header)
    for row, text in enumerate(table["genotype"]):
        try:
            written = str(parse_genotype(text))
        except ArchitectureError as error:
            raise SourceError(f"{path}: row {row + 1}: {error}") from error
        if written != text:
            raise SourceError(
                f"{path}: row {row + 1}: expected a genotype as Python prints it, {written[:80]!r}"
                f"…, found {text[:80]!r}…"
            )
    return table


def _column(table: pd.DataFrame, name: str) -> Column:
    return table[name].to_numpy(dtype=np.float64)


def _counts(table: pd.DataFrame, name: str) -> Column:
    """Return whole counts of a column of millions."""
    return np.round(_column(table, name) * _MILLION)
