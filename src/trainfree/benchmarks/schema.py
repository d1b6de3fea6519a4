"""The one form of every benchmark: plain columns in, an xarray data set out.

Readers produce a :class:`BenchmarkTable`, whose columns have one entry for each architecture in the
space's own order; nothing here knows where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trainfree.errors import ArchitectureError, SourceError
from trainfree.spaces.protocol import NamedSubsets, Space
from trainfree.trainings import CORRECT, MEAN_SEED, METRICS, SPLITS

Column = npt.NDArray[np.float64]

DATASET_ORDER = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}


@dataclass(frozen=True)
class BenchmarkTable:
    """Columns of a benchmark, each with one entry an architecture and NaN for missing.

    Attributes
    ----------
    accuracy
        By (data set, split, epochs, seed): percent, or what ``metrics`` says.
    train_seconds
        Seconds of the whole training, by (data set, epochs).
    validation_seconds
        Seconds of one pass over the validation images, by (data set, epochs), where known.
    params, flops
        Counts, by data set.
    official_index
        The benchmark's own index of each architecture, -1 where unknown.
    further
        Further percentages: (values, long name) by variable name.
    covariates
        Further numbers of each architecture: (values, units, long name) by variable name.
    source_hashes
        SHA-256 of what was read beyond the delivered files.
    remark
        What a reader must know besides the source's note.
    architectures
        Names of the architectures in the order of the columns, of a
        :class:`~trainfree.spaces.listed.ListedSpace` and of no other: it is this list.
    metrics
        What the accuracies of a data set are, a key of :data:`~trainfree.trainings.METRICS`, by
        data set; those that are not named classify, and have percent.
    partial
        Whether architectures may be without any accuracy: a source that has a part of the space
        says so. Otherwise a table with fewer is refused.
    """

    accuracy: Mapping[tuple[str, str, int, str], Column]
    train_seconds: Mapping[tuple[str, int], Column] = field(default_factory=dict)
    validation_seconds: Mapping[tuple[str, int], Column] = field(default_factory=dict)
    params: Mapping[str, Column] = field(default_factory=dict)
    flops: Mapping[str, Column] = field(default_factory=dict)
    official_index: npt.NDArray[np.int64] | None = None
    further: Mapping[str, tuple[Column, str]] = field(default_factory=dict)
    covariates: Mapping[str, tuple[Column, str, str]] = field(default_factory=dict)
    source_hashes: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    architectures: tuple[str, ...] | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False


def positions(space: Space, indices: Sequence[int], where: str) -> npt.NDArray[np.intp]:
    """Return the row of the source that holds each architecture of the space.

    Raises
    ------
    SourceError
        When an architecture is missing or there twice; names the first one.
    """
    found = np.asarray(indices, dtype=np.intp)
    counts = np.bincount(found, minlength=len(space))
    if np.any(wrong := counts != 1):
        first = int(np.argmax(wrong))
        raise SourceError(
            f"{where}: expected each of the {len(space)} architectures of {space.name} exactly "
            f"once, found {space.to_string(first)!r} {counts[first]} times "
            f"({np.count_nonzero(counts == 0)} are missing, "
            f"{np.count_nonzero(counts > 1)} repeated)"
        )
    return np.argsort(found)


def parse_architecture(space: Space, text: str, where: str) -> int:
    """Return the index of an architecture string found in a source file."""
    try:
        return space.parse(text)
    except ArchitectureError as error:
        raise SourceError(f"{where}: {error}") from error


def benchmark_dataset(
    space: Space, table: BenchmarkTable, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Return the data set of a benchmark file.

    Parameters
    ----------
    space
        The space whose order the columns are in.
    table
        The columns.
    attributes
        Attributes of the file.
    """
    datasets = sorted({key[0] for key in table.accuracy}, key=_dataset_place)
    epochs = sorted({key[2] for key in table.accuracy})
    seeds = sorted({key[3] for key in table.accuracy}, key=lambda seed: (seed != MEAN_SEED, seed))
    coordinates: dict[str, Sequence[Any]] = {
        "arch": range(len(space)),
        "dataset": datasets,
        "split": SPLITS,
        "epochs": epochs,
        "seed": seeds,
    }
    by_dataset = {"params": table.params, "flops": table.flops}
    long_names = {
        "params": "number of trained parameters",
        "flops": "multiply-adds of one image's forward pass, as the source counts them",
    }
    without_seed = {key: coordinates[key] for key in ("arch", "dataset", "epochs")}
    training = "simulated duration of the whole training"
    timed = {"train_seconds": _grid(table.train_seconds, without_seed, "s", training)}
    if table.validation_seconds:
        timed["validation_seconds"] = _grid(
            table.validation_seconds,
            without_seed,
            "s",
            "simulated duration of one pass over the validation images",
        )
    kinds = [table.metrics.get(name, CORRECT) for name in datasets]
    percent = all(METRICS[kind].units == "%" for kind in kinds)
    units = "%" if percent else "as the coordinate metric says"
    dataset = xr.Dataset(
        {"accuracy": _grid(table.accuracy, coordinates, units, "accuracy of the trained network")}
        | timed
        | {
            name: _grid(
                {(key,): column for key, column in columns.items()},
                {key: coordinates[key] for key in ("arch", "dataset")},
                "1",
                long_names[name],
            )
            for name, columns in by_dataset.items()
        }
        | {
            name: xr.Variable("arch", values, {"units": "%", "long_name": long_name})
            for name, (values, long_name) in table.further.items()
        }
        | {
            name: xr.Variable("arch", values, {"units": units, "long_name": long_name})
            for name, (values, units, long_name) in table.covariates.items()
        }
        | _subsets(space),
        coords=_coordinates(space, table, coordinates),
        attrs=dict(attributes),
    )
    for variable in dataset.data_vars.values():
        variable.encoding.update(_COMPRESSED)
    return dataset


def _dataset_place(name: str) -> tuple[int, str]:
    known = name in DATASET_ORDER
    return (DATASET_ORDER.index(name) if known else len(DATASET_ORDER), name)


def _grid(
    columns: Mapping[Any, Column],
    coordinates: Mapping[str, Sequence[Any]],
    units: str,
    long_name: str,
) -> xr.Variable:
    """Put columns, keyed by the coordinates after ``arch``, into one array with NaN elsewhere."""
    _, *keys = coordinates
    values = np.full([len(labels) for labels in coordinates.values()], np.nan)
    for key, column in columns.items():
        place = [list(coordinates[name]).index(part) for name, part in zip(keys, key, strict=True)]
        cells: tuple[slice | int, ...] = (slice(None), *place)
        values[cells] = column
    return xr.Variable(tuple(coordinates), values, {"units": units, "long_name": long_name})


def _subsets(space: Space) -> dict[str, xr.Variable]:
    """Return which architectures are in the parts that the space names, nothing if it has none."""
    subsets = space.subsets() if isinstance(space, NamedSubsets) else {}
    if not subsets:
        return {}
    described = {
        "subset": "part of the space that tables look at on its own",
        "in_subset": "whether the architecture is in that part of the space",
    }
    names = np.array(list(subsets), dtype=object)
    chosen = (
        np.stack(list(subsets.values()), axis=1) if subsets else np.zeros((len(space), 0), bool)
    )
    return {
        "in_subset": xr.Variable(
            ("arch", "subset"), chosen, {"units": "1", "long_name": described["in_subset"]}
        ),
        "subset": xr.Variable("subset", names, {"long_name": described["subset"]}),
    }


def _coordinates(
    space: Space, table: BenchmarkTable, coordinates: Mapping[str, Sequence[Any]]
) -> dict[str, xr.Variable]:
    official = table.official_index
    if official is None:
        official = np.full(len(space), -1, dtype=np.int64)
    strings = np.array([space.to_string(index) for index in range(len(space))], dtype=object)
    described = {
        "arch": "index of the architecture in the space's own order",
        "dataset": "data set the network was trained on, by NATS-Bench's name",
        "split": "split the accuracy was measured on",
        "epochs": "epochs of the training, -1 where the source does not state them",
        "seed": "seed of a single training, or the mean over seeds as the source gives it",
    }
    result = {
        name: xr.Variable(
            name,
            np.array(labels, dtype=np.int64 if name in ("arch", "epochs") else object),
            {"long_name": described[name]},
        )
        for name, labels in coordinates.items()
    }
    if table.metrics:
        kinds = [table.metrics.get(str(name), CORRECT) for name in coordinates["dataset"]]
        result["metric"] = xr.Variable(
            "dataset", np.array(kinds, dtype=object), {"long_name": "what the accuracies measure"}
        )
    result["architecture"] = xr.Variable("arch", strings, {"long_name": "architecture string"})
    result["official_index"] = xr.Variable(
        "arch", official, {"long_name": "index in the benchmark's own files, -1 unknown"}
    )
    return result
