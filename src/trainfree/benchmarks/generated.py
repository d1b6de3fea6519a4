"""An artificial benchmark for tests. No network was trained for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainfree.benchmarks.hardware_form import HardwareTable
from trainfree.benchmarks.schema import BenchmarkTable, Column
from trainfree.randomness import stream
from trainfree.sources.delivery import Delivery
from trainfree.spaces.nasbench201.space import CellSpace

EPOCHS = (12, 200)
SEEDS = ("777", "888")
CHANCE = 10.0
_DATASETS = ("cifar10-valid", "cifar10")
OUTCOMES = (("cifar10-valid", "valid"), ("cifar10-valid", "test"), ("cifar10", "test"))
# What an operation on an edge adds to the made-up quality of a cell.
WORTH = {"nor_conv_3x3": 2.2, "nor_conv_1x1": 1.6, "skip_connect": 0.9, "avg_pool_3x3": 0.3}


def generate_benchmark(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Return accuracies that rise with the number of convolutions, with noise.

    Like the real table, some architectures lack the second seed at 200 epochs.
    """
    digits = np.array(list(space))
    worth = np.array([WORTH.get(name, 0.0) for name in space.operations])[digits].sum(axis=1)
    small = _edges_with(space, digits, "nor_conv_1x1")
    large = _edges_with(space, digits, "nor_conv_3x3")
    accuracy: dict[tuple[str, str, int, str], Column] = {}
    rng = stream(0, "generated-benchmark")
    for dataset, split in OUTCOMES:
        for epochs in EPOCHS:
            best = (88.0 if epochs == 200 else 74.0) + (3.0 if dataset == "cifar10" else 0.0)
            expected = CHANCE + (best - CHANCE) * (1 - np.exp(-worth / 2.5))
            for seed in SEEDS:
                noise = rng.normal(0.0, 0.6 if epochs == 200 else 2.0, len(space))
                values = np.where(worth > 0, expected + noise, CHANCE)
                accuracy[dataset, split, epochs, seed] = np.clip(values, CHANCE, 99.0)
            if epochs == 200:
                accuracy[dataset, split, epochs, SEEDS[1]][::3] = np.nan
    per_epoch = 8.0 + 1.5 * small + 4.0 * large
    return BenchmarkTable(
        accuracy=accuracy,
        train_seconds={
            (dataset, epochs): share * per_epoch * epochs
            for dataset, share in (("cifar10-valid", 0.5), ("cifar10", 1.0))
            for epochs in EPOCHS
        },
        params=dict.fromkeys(_DATASETS, 1000.0 + 100 * small + 900 * large),
        flops=dict.fromkeys(_DATASETS, 50000.0 + 5000 * small + 45000 * large),
    )


def generate_hardware(space: CellSpace) -> HardwareTable:
    """Return costs of one device that rise with the operations, and accuracies that fall short.

    Like the real table, some architectures could not be measured.
    """
    digits = np.array(list(space))
    rng = stream(0, "generated-hardware")
    work = 1.0 + sum(
        cost * _edges_with(space, digits, name)
        for name, cost in {"nor_conv_3x3": 4.0, "nor_conv_1x1": 2.0, "avg_pool_3x3": 1.0}.items()
    )
    latency = work * np.exp(rng.normal(0.0, 0.1, len(space)))
    energy = np.where(np.arange(len(space)) % 5 == 0, np.nan, 3.0 * latency)
    accuracy = np.clip(60.0 + 2.0 * work + rng.normal(0.0, 3.0, len(space)), CHANCE, 99.0)
    return HardwareTable(
        "generated",
        latency={"made-up device": latency},
        energy={"made-up device": energy},
        accuracy={"made-up quantisation": accuracy},
    )


def _edges_with(space: CellSpace, digits: npt.NDArray[np.int64], operation: str) -> Column:
    if operation not in space.operations:
        return np.zeros(len(digits))
    on_edge = digits == space.operations.index(operation)
    return np.asarray(np.count_nonzero(on_edge, axis=1), dtype=np.float64)
