"""Accuracies of the PyPI package analog-nasbench: an independent training of the whole space.

The package's data file is a pickle of 15,625 objects of two classes of the package. It is read
with stand-in classes of our own, without importing the package (whose import needs pkg_resources
and whose loader admits any pickle).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainfree.benchmarks.checks import plain_number
from trainfree.benchmarks.schema import (
    BenchmarkTable,
    Column,
    positions,
)
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.reading import MIB, brief_error, opened
from trainfree.sources.formats.unpickling import load_pickle
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.trainings import MEAN_SEED, UNSTATED_EPOCHS

MOST_BYTES = 64 * MIB
"""Size of the package's file; its whole wheel has 2.9 MB."""
FURTHER = {
    "ptq_accuracy": "CIFAR-10 test accuracy after post-training quantisation",
    "qat_accuracy": "CIFAR-10 test accuracy after quantisation-aware training",
    "noisy_accuracy": "CIFAR-10 test accuracy with noisy weights",
    "analog_accuracy": "CIFAR-10 test accuracy after hardware-aware training on analog hardware",
}


def read_analog(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Read ``data.anb``. Accuracies are percentages; NASLib's codes name the architectures.

    Raises
    ------
    ForbiddenPickleError
        When the pickle asks for anything but the package's two record classes.
    SourceError
        When the file is damaged or does not hold every architecture exactly once.
    """
    path = delivery.files["archive"]
    # Fresh classes for each reading, so that no pickle can leave anything behind on them.
    admitted = {
        ("analognasbench.data", name): type(name, (), {})
        for name in ("Architecture", "DriftMeasurement")
    }
    with opened(path) as stream:
        records = load_pickle(stream, str(path), admitted, most=MOST_BYTES)
    if not isinstance(records, dict):
        raise SourceError(f"{path}: expected a dictionary, found {type(records).__name__}")
    try:
        indices = [space.from_naslib(codes) for codes in records]
    except ArchitectureError as error:
        raise SourceError(f"{path}: {error}") from error
    except (TypeError, RecursionError) as error:
        raise SourceError(f"{path}: expected codes of operations ({brief_error(error)})") from error
    rows = positions(space, indices, str(path))
    columns = {
        name: _column(list(records.values()), name, str(path))[rows]
        for name in ("baseline_accuracy", *FURTHER)
    }
    baseline = columns.pop("baseline_accuracy")
    return BenchmarkTable(
        accuracy={("cifar10", "test", UNSTATED_EPOCHS, MEAN_SEED): baseline},
        further={name: (column, FURTHER[name]) for name, column in columns.items()},
    )


def _column(records: list[Any], name: str, where: str) -> Column:
    return np.array(
        [
            plain_number(getattr(record, name, None), f"{where}: record {place}", name)
            for place, record in enumerate(records)
        ]
    )
