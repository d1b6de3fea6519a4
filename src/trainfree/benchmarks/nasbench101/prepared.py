"""Prepared files: NAS-Bench-101 in the schema of all benchmarks, and back from it.

Accuracies are stored as the published fractions with a scale factor of 100, so that xarray shows
percent, as in every benchmark file, while no digit of the published numbers is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.benchmarks.nasbench101.mirror import read_mirror
from trainfree.benchmarks.nasbench101.tfrecord import read_tfrecord
from trainfree.benchmarks.nasbench101.trained_cells import (
    MEAN,
    QUANTITIES,
    SPLITS,
    STAGES,
    TIME,
    TrainedCells,
)
from trainfree.benchmarks.nasbench101.training_time import estimate_times
from trainfree.errors import SourceError
from trainfree.files.storage import (
    open_dataset,
    open_variables,
    provenance_attributes,
    write_dataset,
)
from trainfree.provenance import code_hash
from trainfree.sources.formats.reading import is_folder, is_there
from trainfree.sources.formats.wrong_files import surprise
from trainfree.spaces.nasbench101.space import GraphCellSpace

SPACE = "nasbench101"
DATASET = "cifar10"
ESTIMATED_SECONDS = "estimated_train_seconds"
_ROWS_A_CHUNK = 16384
_WORTH_COMPRESSING = 0.5
"""Share of missing numbers from which on compression saves more space than it costs time."""
_ACCURACY = {"halfway": "halfway_accuracy", "final": "accuracy"}
_SECONDS = {"halfway": "halfway_run_seconds", "final": "run_seconds"}
_SPLIT_PLACES = [QUANTITIES.index(name) for name in SPLITS.values()]


def read_trained_cells(path: Path) -> TrainedCells:
    """Read a tfrecord, a prepared file or a mirror's table, by the suffix of the name.

    Raises
    ------
    SourceError, DataFileError
        When the file is missing, damaged or none of these.
    """
    if is_folder(path) or not is_there(path):
        found = "found a folder" if is_folder(path) else "no such file"
        raise SourceError(f"{path}: {found}; expected a .tfrecord, .h5 or .npz file")
    readers = {".tfrecord": read_tfrecord, ".h5": read_prepared, ".npz": read_mirror}
    if path.suffix not in readers:
        raise SourceError(
            f"{path}: expected a .tfrecord, .h5 or .npz file, "
            f"found {path.suffix!r}{surprise(path, path.name)}"
        )
    return readers[path.suffix](path)


def prepare_nasbench101(source: Path, output: Path, *, partial: bool = False) -> None:
    """Write the benchmark file of NAS-Bench-101.

    Parameters
    ----------
    source
        An official .tfrecord file, or a mirror's .npz table.
    output
        The file to write, of kind "benchmark".
    partial
        Whether the source may hold a part of the cells only; the file then says how many.

    Raises
    ------
    SourceError
        When the source cannot be read, or lacks cells without ``partial``.
    DataFileError
        When the output cannot be written.
    """
    cells = read_trained_cells(source)
    note, expected = cells.note, len(GraphCellSpace.published())
    if len(cells) < expected:
        if not partial:
            raise SourceError(
                f"{source}: expected trainings of all {expected:,} cells, found {len(cells):,}; "
                "get the whole file, or use --partial if only some of the cells are intended"
            )
        part = f"a part of the space, {len(cells):,} of {expected:,} cells"
        note = "; ".join(filter(None, (note, part)))
    attributes = provenance_attributes(
        settings={"space": SPACE, "source": source.name},
        code=code_hash("trainfree.benchmarks.nasbench101.prepared"),
        source_hashes=cells.source_hashes,
    )
    attributes |= {"space": SPACE, "source": source.name, "source_note": note}
    try:
        dataset = cells_dataset(cells, attributes)
    except SourceError as error:
        raise SourceError(f"{source}: {error}") from error
    write_dataset(dataset, output, "benchmark")


def cells_dataset(cells: TrainedCells, attributes: dict[str, Any]) -> xr.Dataset:
    """Return the data set of a benchmark file, architectures in the space's own order."""
    space = GraphCellSpace.published()
    index = _space_indices(space, cells)
    order = np.argsort(index)
    index = index[order]
    dims = ("arch", "dataset", "split", "epochs", "seed")
    without_split = ("arch", "dataset", "epochs", "seed")
    variables: dict[str, xr.Variable] = {}
    for place, stage in enumerate(cells.stages):
        values = cells.measured[order][:, :, :, place]
        when = "" if stage == "final" else " after half of the training"
        fractions = np.moveaxis(values[..., _SPLIT_PLACES], -1, 1)[:, None]
        seconds = values[:, None, :, :, QUANTITIES.index(TIME)]
        variables[_ACCURACY[stage]] = _variable(
            dims, fractions, "%", f"accuracy of the trained network{when}", scale_factor=100.0
        )
        variables[_SECONDS[stage]] = _variable(
            without_split, seconds, "s", f"duration of each training{when}"
        )
        if stage == "final":
            variables["train_seconds"] = _variable(
                without_split[:3],
                _mean(seconds),
                "s",
                "duration of the whole training, mean over its repeats",
            )
    variables |= _estimated_times(space, variables["train_seconds"], index)
    variables["params"] = _variable(
        ("arch", "dataset"), cells.params[order, None], "1", "number of trained parameters"
    )
    for name, column, meaning in (
        ("hash", cells.hashes, "bytes of the published hash"),
        ("vertices", cells.vertices, "number of vertices"),
        ("graph_bits", cells.bits, "edges: from x to y > x is bit x + y(y - 1)/2"),
        ("operation_code", cells.codes, "interior operations as base-3 digits, first vertex first"),
    ):
        axes = ("arch", "hash_byte") if column.ndim == 2 else ("arch",)
        variables[name] = _variable(axes, column[order], "1", meaning)
    coordinates = _coordinates(space, cells, index, order)
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def _estimated_times(
    space: GraphCellSpace, seconds: xr.Variable, index: NDArray[np.int64]
) -> dict[str, xr.Variable]:
    """Return estimates of the longest training's duration where only a sample was measured."""
    measured = seconds.to_numpy()[:, 0, -1].astype(np.float64)
    if len(index) < len(space) or not np.isnan(measured).any():
        return {}
    estimated = estimate_times(space, measured)
    if estimated is None:
        return {}
    variable = _variable(
        ("arch",),
        estimated.seconds.astype(np.float32),
        "s",
        "duration of the longest training, estimated from the work of the network's parts",
        fitted_cells=estimated.n,
        r_squared=estimated.r_squared,
        median_error=estimated.median_error,
    )
    return {ESTIMATED_SECONDS: variable}


def _space_indices(space: GraphCellSpace, cells: TrainedCells) -> NDArray[np.int64]:
    index = np.full(len(cells), -1, dtype=np.int64)
    for size in np.unique(cells.vertices).tolist():
        rows = cells.vertices == size
        index[rows] = space.pruned_indices(
            size, cells.bits[rows].astype(np.int64), cells.codes[rows].astype(np.int64)
        )
    if (index < 0).any() or len(np.unique(index)) < len(index):
        raise SourceError(
            f"expected each cell of the space at most once, found {np.count_nonzero(index < 0)} "
            f"outside it and {len(index) - len(np.unique(index))} repeated"
        )
    return index


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over the last axis without NaN; NaN where there is nothing else."""
    count = (~np.isnan(values)).sum(axis=-1)
    total = np.nan_to_num(values).sum(axis=-1, dtype=np.float64)
    result = np.full(count.shape, np.nan, dtype=np.float32)
    result[count > 0] = total[count > 0] / count[count > 0]
    return result


def _variable(
    dims: Sequence[str], values: NDArray[Any], units: str, long_name: str, **attributes: float
) -> xr.Variable:
    variable = xr.Variable(dims, values, {"units": units, "long_name": long_name, **attributes})
    chunk = (min(_ROWS_A_CHUNK, max(1, len(values))), *values.shape[1:])
    variable.encoding.update(chunksizes=chunk)
    if values.dtype.kind != "f" or np.isnan(values).mean() > _WORTH_COMPRESSING:
        variable.encoding.update(zlib=True, complevel=1, shuffle=True)
    return variable


def _coordinates(
    space: GraphCellSpace, cells: TrainedCells, index: NDArray[np.int64], order: NDArray[np.int64]
) -> dict[str, xr.Variable]:
    described = {
        "arch": ("arch", index, "index of the architecture in the space's own order"),
        "dataset": ("dataset", [DATASET], "data set the network was trained on"),
        "split": ("split", list(SPLITS), "split the accuracy was measured on"),
        "epochs": ("epochs", np.array(cells.epochs), "epochs of the training"),
        "seed": ("seed", list(cells.repeats), "repeat of the training, or the mean over repeats"),
        "architecture": (
            "arch",
            [space.to_string(row) for row in index.tolist()],
            "architecture string",
        ),
        "official_index": ("arch", order, "place in the order of the published hashes"),
    }
    result = {}
    for name, (dim, values, meaning) in described.items():
        array = np.array(values, dtype=object) if isinstance(values, list) else values
        result[name] = xr.Variable(dim, array, {"long_name": meaning})
    return result


def read_prepared(path: Path) -> TrainedCells:
    """Read a prepared file.

    Raises
    ------
    DataFileError
        When the file is missing, damaged or of another space.
    """
    with open_dataset(path, "benchmark", {"space": SPACE}, ["architecture"]) as described:
        epochs = tuple(int(value) for value in described["epochs"].to_numpy())
        repeats = tuple(str(value) for value in described["seed"].to_numpy())
        note = str(described.attrs["source_note"])
    with open_variables(path, "benchmark") as file:
        return _from_file(file, epochs, repeats, note)


def _from_file(
    file: h5py.File, epochs: tuple[int, ...], repeats: tuple[str, ...], note: str
) -> TrainedCells:
    official = file["official_index"][...]
    by_hash = np.argsort(official)
    stages = tuple(stage for stage in STAGES if _ACCURACY[stage] in file)
    shape = (len(official), len(epochs), len(repeats), len(stages), len(QUANTITIES))
    values = np.empty(shape, dtype=np.float32)
    for first in range(0, len(official), _ROWS_A_CHUNK):  # in pieces: no second copy in memory
        rows = slice(first, first + _ROWS_A_CHUNK)
        for place, stage in enumerate(stages):
            fractions = file[_ACCURACY[stage]][rows][:, 0]
            values[official[rows], :, :, place, 1:] = np.moveaxis(fractions, 1, -1)
            values[official[rows], :, :, place, 0] = file[_SECONDS[stage]][rows][:, 0]
    return TrainedCells(
        hashes=file["hash"][...][by_hash],
        vertices=file["vertices"][...][by_hash],
        bits=file["graph_bits"][...][by_hash],
        codes=file["operation_code"][...][by_hash],
        params=file["params"][...][by_hash, 0],
        epochs=epochs,
        repeats=repeats,
        stages=stages,
        measured=values,
        note=note,
    )


def merged_repeats(cells: TrainedCells) -> TrainedCells:
    """Return the cells with one repeat where the source gives means, otherwise as they are.

    What the source gives as a mean is taken from it, the rest from the first training that has it.
    """
    if MEAN not in cells.repeats or len(cells.repeats) == 1:
        return cells
    mean = cells.repeats.index(MEAN)
    values = cells.measured[:, :, mean : mean + 1].copy()
    for place in range(len(cells.repeats)):
        np.copyto(values, cells.measured[:, :, place : place + 1], where=np.isnan(values))
    return replace(cells, repeats=(MEAN,), measured=values)
