"""The table as mirrors keep it: mean test accuracies of all cells, and a sample of the rest.

``nb101_108ep.npz`` has every cell with its hash, parameters and test accuracy after 108 epochs, a
mean over three trainings. ``nb101_val_20001.csv.gz`` beside it, where there is one, has the first
20,001 cells by hash (in effect a uniform sample) with validation accuracies after 4, 12, 36 and
108 epochs and the seconds of the longest training. Those are of one training; which of the three,
the file does not say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainfree.benchmarks.checks import FRACTION, RUN_SECONDS, check_column
from trainfree.benchmarks.nasbench101.trained_cells import MEAN, QUANTITIES, TIME, TrainedCells
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.checksums import file_digests
from trainfree.sources.formats.arrays import Wanted, read_npz
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.nasbench101.encoding import specification
from trainfree.spaces.nasbench101.specification import OPERATIONS

SAMPLE_NAME = "nb101_val_20001.csv.gz"
EPOCHS = (4, 12, 36, 108)
UNSTATED = "unstated"
NOTE = "test accuracies are means over three trainings; halfway and training accuracies are missing"
SAMPLE_NOTE = "validation accuracies and seconds are of one unstated training, of a sample of cells"
_MOST_CELLS = 423_624
_LARGEST_CELL = 7
_WANTED = {
    "hash_md5": Wanted("u", 2, 16 * _MOST_CELLS),
    "n_vertices": Wanted("iu", 1, 8 * _MOST_CELLS),
    "adj_bits": Wanted("iu", 1, 8 * _MOST_CELLS),
    "ops": Wanted("iu", 2, 8 * 5 * _MOST_CELLS),
    "test_acc_108": Wanted("f", 1, 8 * _MOST_CELLS),
    "params": Wanted("iu", 1, 8 * _MOST_CELLS),
}
_RANGES = {
    "n_vertices": (2, _LARGEST_CELL),
    "adj_bits": (0, (1 << _LARGEST_CELL * (_LARGEST_CELL - 1) // 2) - 1),
    "ops": (-1, len(OPERATIONS) - 1),
    "test_acc_108": (0, 1),
    "params": (1, 2**31 - 1),
}
_CHECKED_CELLS = 50


def read_mirror(path: Path) -> TrainedCells:
    """Read the table and, where it lies beside it, the sample.

    Raises
    ------
    SourceError
        When a file is damaged or not what its name says.
    """
    arrays = _arrays(path)
    sample = path.with_name(SAMPLE_NAME)
    sampled = sample.is_file()
    epochs, repeats = (EPOCHS, (MEAN, UNSTATED)) if sampled else (EPOCHS[-1:], (MEAN,))
    cells = TrainedCells(
        hashes=arrays["hash_md5"],
        vertices=arrays["n_vertices"].astype(np.uint8),
        bits=arrays["adj_bits"].astype(np.int32),
        codes=_codes(arrays["n_vertices"], arrays["ops"]),
        params=arrays["params"].astype(np.int32),
        epochs=epochs,
        repeats=repeats,
        stages=("final",),
        measured=np.full(
            (len(arrays["params"]), len(epochs), len(repeats), 1, len(QUANTITIES)),
            np.nan,
            dtype=np.float32,
        ),
        source_hashes={
            role: file_digests(file, "sha256")["sha256"]
            for role, file in {"table": path, **({"sample": sample} if sampled else {})}.items()
        },
        note=f"{NOTE}; {SAMPLE_NOTE}" if sampled else NOTE,
    )
    _check(cells, path)
    cells.measured[:, -1, 0, 0, QUANTITIES.index("test_accuracy")] = arrays["test_acc_108"]
    if sampled:
        _add_sample(cells, sample)
    return cells


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    arrays = read_npz(path, _WANTED, f"an .npz archive with {', '.join(_WANTED)}")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or arrays["hash_md5"].shape[1:] != (16,):
        raise SourceError(f"{path}: expected one row per cell in every array, found {lengths}")
    if not lengths["params"] or arrays["ops"].shape[1:] != (_LARGEST_CELL - 2,):
        raise SourceError(
            f"{path}: expected cells with operations of {_LARGEST_CELL - 2} vertices, found "
            f"{lengths['params']} cells with {arrays['ops'].shape[1:]}"
        )
    for name, (low, high) in _RANGES.items():
        values = arrays[name]
        wrong = ~((values >= low) & (values <= high))  # NaN is wrong, too
        if wrong.any():
            raise SourceError(
                f"{path}: {name}: expected numbers from {low} to {high}, "
                f"found {values[wrong][0]} and {np.count_nonzero(wrong) - 1} more outside"
            )
    return arrays


def _codes(vertices: NDArray[np.uint8], operations: NDArray[np.int8]) -> NDArray[np.int16]:
    codes = np.zeros(len(vertices), dtype=np.int16)
    for place in range(operations.shape[1]):
        used = place < vertices.astype(int) - 2
        codes[used] = codes[used] * len(OPERATIONS) + operations[used, place]
    return codes


def _check(cells: TrainedCells, path: Path) -> None:
    """Check the order of the hashes, and that those of some cells are theirs."""
    words = np.ascontiguousarray(cells.hashes).view(">u8")
    ascending = (words[1:, 0] > words[:-1, 0]) | (
        (words[1:, 0] == words[:-1, 0]) & (words[1:, 1] > words[:-1, 1])
    )
    if not ascending.all():
        raise SourceError(
            f"{path}: expected hashes in ascending order, row {np.argmin(ascending) + 1} is not"
        )
    for row in np.linspace(0, len(cells) - 1, _CHECKED_CELLS).astype(int).tolist():
        cell = (int(cells.vertices[row]), int(cells.bits[row]), int(cells.codes[row]))
        try:
            expected = specification(*cell).hash_spec()
        except ArchitectureError as error:
            raise SourceError(f"{path}: row {row}: {error}") from error
        found = cells.hashes[row].tobytes().hex()
        if expected != found:
            raise SourceError(f"{path}: row {row}: expected the hash {expected}, found {found}")


def _add_sample(cells: TrainedCells, path: Path) -> None:
    accuracies = {f"val_acc_{epochs}": epochs for epochs in EPOCHS}
    seconds = f"training_time_{EPOCHS[-1]}_s"
    numbers = [*accuracies, seconds]
    table = read_table(
        path, {"index": int, "hash": str} | dict.fromkeys(numbers, float), _MOST_CELLS
    )
    rows = table["index"].to_numpy(dtype=np.int64)
    if (rows < 0).any() or len(np.unique(rows)) < len(rows):
        raise SourceError(f"{path}: expected different indices from 0, found one twice or below 0")
    known = [cells.hashes[row].tobytes().hex() if row < len(cells) else "" for row in rows]
    if (differs := table["hash"].to_numpy() != np.array(known)).any():
        raise SourceError(f"{path}: line {np.argmax(differs) + 2}: the hash is not the table's")
    for name in numbers:
        allowed = FRACTION if name in accuracies else RUN_SECONDS
        check_column(table[name].to_numpy(), len(table), allowed, f"{path}: {name}")
    place = QUANTITIES.index("validation_accuracy")
    for column, epochs in accuracies.items():
        cells.measured[rows, EPOCHS.index(epochs), 1, 0, place] = table[column]
    cells.measured[rows, -1, 1, 0, QUANTITIES.index(TIME)] = table[seconds]
