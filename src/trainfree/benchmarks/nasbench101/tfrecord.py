"""The official files, ``nasbench_full.tfrecord`` and ``nasbench_only108.tfrecord``.

A TFRecord file is a sequence of (length, checksum of the length, data, checksum of the data). Each
record is a JSON list: hash, epochs, the adjacency matrix as a row of 0 and 1, the operations
between commas, and a base64 ModelMetrics message. Its evaluations are those before training,
halfway and at the end. Three records are trainings of one cell for one number of epochs.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trainfree.benchmarks.checks import FRACTION, RUN_SECONDS
from trainfree.benchmarks.nasbench101.protobuf import WireFormatError, read_model_metrics
from trainfree.benchmarks.nasbench101.trained_cells import QUANTITIES, STAGES, TIME, TrainedCells
from trainfree.errors import ArchitectureError, SourceError
from trainfree.progress import progress_bar
from trainfree.sources.checksums import file_digests
from trainfree.sources.formats.reading import brief, brief_error, opened
from trainfree.sources.formats.wrong_files import require_kind
from trainfree.spaces.nasbench101.encoding import matrix_bits, operation_code
from trainfree.spaces.nasbench101.specification import OPERATIONS, ModelSpec

REPEATS = 3
EPOCHS = (4, 12, 36, 108)
"""Lengths of the published trainings; ``nasbench_only108`` has the last one alone."""
MOST_RECORD_BYTES = 1 << 16
"""Of one record; the official ones have less than a thousand bytes."""
_LARGEST_CELL = 7
_EVALUATIONS = (1, 2)
"""Halfway and final; number 0 is from before training."""


@dataclass(frozen=True)
class Training:
    """One record: a cell trained once."""

    hash: str
    epochs: int
    matrix: str
    operations: str
    params: int
    measured: tuple[float, ...]


@dataclass
class _Collected:
    """What has been read so far."""

    rows: dict[str, int] = field(default_factory=dict)
    cells: list[tuple[int, int, int, int]] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    first_record: list[int] = field(default_factory=list)
    row: array[int] = field(default_factory=lambda: array("i"))
    epochs: array[int] = field(default_factory=lambda: array("i"))
    measured: array[float] = field(default_factory=lambda: array("f"))


def read_tfrecord(path: Path) -> TrainedCells:
    """Read an official file.

    Raises
    ------
    SourceError
        Naming the file and the record: a wrong checksum, a truncated file, a malformed record, a
        hash that is not the cell's, or a cell that was not trained three times.
    """
    require_kind(path, "an official NAS-Bench-101 .tfrecord file")
    collected = _Collected()
    for number, data in enumerate(records(path)):
        _collect(collected, _training(path, number, data), path, number)
    if not collected.rows:
        raise SourceError(f"{path}: expected NAS-Bench-101 records, found an empty file")
    return _trained_cells(collected, path)


def records(path: Path) -> Iterator[bytes]:
    """Yield the data of each record after checking both checksums.

    Raises
    ------
    SourceError
        Naming the record when a checksum is wrong or the file ends within it.
    """
    from trainfree.benchmarks.nasbench101.crc32c import masked_crc32c

    number = 0
    try:
        with (
            opened(path) as stream,
            progress_bar(f"reading {path.name}", path.stat().st_size) as advance,
        ):
            left = path.stat().st_size
            while head := stream.read(12):
                if len(head) < 12:
                    _fail(path, number, "the file ends within its length; it is truncated")
                length, crc = struct.unpack("<QI", head)
                if masked_crc32c(head[:8]) != crc:
                    _fail(path, number, "the checksum of its length is wrong")
                if length > MOST_RECORD_BYTES:
                    _fail(
                        path,
                        number,
                        f"claims {length:,} bytes of data, expected at most {MOST_RECORD_BYTES:,}; "
                        "it is not a NAS-Bench-101 record",
                    )
                left -= length + 16
                if left < 0:
                    _fail(path, number, f"expected {length} bytes of data; it is truncated")
                data, tail = stream.read(length), stream.read(4)
                if masked_crc32c(data) != struct.unpack("<I", tail)[0]:
                    _fail(path, number, "the checksum of its data is wrong")
                yield data
                advance(length + 16)
                number += 1
    except (OSError, struct.error) as error:
        raise SourceError(f"{path}: changed while it was read ({error})") from error


def _fail(path: Path, number: int, reason: str) -> NoReturn:
    raise SourceError(f"{path}: record {number}: {reason}")


def _training(path: Path, number: int, data: bytes) -> Training:
    try:
        cell_hash, epochs, matrix, operations, message = json.loads(data)
        metrics = read_model_metrics(base64.b64decode(message, validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error, WireFormatError) as error:
        told = brief_error(error)
        _fail(path, number, f"expected a JSON list of five with ModelMetrics at its end: {told}")
    if type(epochs) is not int or not all(
        isinstance(text, str) for text in (cell_hash, matrix, operations)
    ):
        _fail(path, number, "expected a text, a number and two texts before the metrics")
    if epochs not in EPOCHS:
        known = ", ".join(map(str, EPOCHS))
        _fail(path, number, f"expected one of {known} epochs, found {brief(epochs)}")
    if not 0 < metrics.trainable_parameters < 2**31:
        found = brief(metrics.trainable_parameters)
        _fail(path, number, f"expected the number of trainable parameters, found {found}")
    if len(metrics.evaluations) != 1 + len(_EVALUATIONS):
        _fail(path, number, f"expected 3 evaluations of the cell, found {len(metrics.evaluations)}")
    measured = sum((metrics.evaluations[place] for place in _EVALUATIONS), start=())
    return Training(cell_hash, epochs, matrix, operations, metrics.trainable_parameters, measured)


def _collect(collected: _Collected, training: Training, path: Path, number: int) -> None:
    row = collected.rows.get(training.hash)
    if row is None:
        row = collected.rows[training.hash] = len(collected.rows)
        collected.cells.append(_cell(path, number, training))
        collected.written.append((training.matrix, training.operations))
        collected.first_record.append(number)
    elif collected.written[row] != (training.matrix, training.operations):
        first = collected.first_record[row]
        _fail(path, number, f"the cell is not that of record {first}, which has the same hash")
    collected.row.append(row)
    collected.epochs.append(training.epochs)
    collected.measured.extend(training.measured)


def _cell(path: Path, number: int, training: Training) -> tuple[int, int, int, int]:
    """Return vertices, bits, operation code and parameters of a cell seen for the first time."""
    size = math.isqrt(len(training.matrix))
    square = size**2 == len(training.matrix) and size <= _LARGEST_CELL
    if not square or not set(training.matrix) <= {"0", "1"}:
        found = brief(training.matrix)
        _fail(path, number, f"expected a square matrix of 0 and 1 for 2 to 7 vertices, not {found}")
    values = np.array([int(entry) for entry in training.matrix]).reshape(size, size)
    try:
        spec = ModelSpec(values, training.operations.split(","))
        matrix, ops = spec.require_valid()
    except ArchitectureError as error:
        _fail(path, number, str(error)[:500])
    if len(ops) != size:
        _fail(path, number, "expected a cell without vertices to be pruned")
    if spec.hash_spec() != training.hash:
        _fail(path, number, f"expected the hash {spec.hash_spec()}, found {training.hash[:80]}")
    code = operation_code([OPERATIONS.index(name) for name in ops[1:-1]])
    return size, matrix_bits(matrix), code, training.params


def _trained_cells(collected: _Collected, path: Path) -> TrainedCells:
    rows = np.frombuffer(collected.row, dtype=np.int32)
    lengths, epoch = np.unique(np.frombuffer(collected.epochs, dtype=np.int32), return_inverse=True)
    measured = np.frombuffer(collected.measured, dtype=np.float32)
    _require_measured(path, measured)
    _require_named_epochs(path, tuple(lengths.tolist()))
    counts = np.zeros((len(collected.rows), len(lengths)), dtype=np.int64)
    np.add.at(counts, (rows, epoch), 1)
    names = list(collected.rows)
    if (wrong := counts != REPEATS).any():
        row, length = (int(place) for place in np.argwhere(wrong)[0])
        _fail(
            path,
            collected.first_record[row],
            f"expected {REPEATS} trainings of the cell {names[row]} for {lengths[length]} epochs, "
            f"found {counts[row, length]}",
        )
    # Stable: the repeats of a cell keep the order of the file.
    order = np.lexsort((epoch, rows))
    shape = (len(names), len(lengths), REPEATS, len(STAGES), len(QUANTITIES))
    values = measured.reshape(-1, len(STAGES) * len(QUANTITIES))[order].reshape(shape)
    by_hash = np.argsort(np.array(names))
    vertices, bits, codes, params = np.array(collected.cells)[by_hash].T
    return TrainedCells(
        hashes=np.array([list(bytes.fromhex(names[row])) for row in by_hash], dtype=np.uint8),
        vertices=vertices.astype(np.uint8),
        bits=bits.astype(np.int32),
        codes=codes.astype(np.int16),
        params=params.astype(np.int32),
        epochs=tuple(lengths.tolist()),
        repeats=tuple(str(repeat + 1) for repeat in range(REPEATS)),
        stages=STAGES,
        measured=values[by_hash],
        source_hashes={"tfrecord": file_digests(path, "sha256")["sha256"]},
    )


def _require_measured(path: Path, measured: NDArray[np.float32]) -> None:
    """Refuse a record in which a number is missing, no time or no fraction."""
    table = measured.reshape(-1, len(QUANTITIES))
    for place, name in enumerate(QUANTITIES):
        allowed = RUN_SECONDS if name == TIME else FRACTION
        wrong = ~((table[:, place] >= allowed.low) & (table[:, place] <= allowed.high))
        if wrong.any():
            row = int(np.argmax(wrong))
            found = table[row, place]
            _fail(path, row // len(STAGES), f"{name}: expected {allowed.words}, found {found}")


def _require_named_epochs(path: Path, epochs: tuple[int, ...]) -> None:
    """Refuse one of the two official files under the name of the other."""
    only = epochs == EPOCHS[-1:]
    if ("nasbench_only108" in path.name and not only) or ("nasbench_full" in path.name and only):
        found = "nasbench_only108" if only else "nasbench_full"
        raise SourceError(
            f"{path}: holds trainings of {', '.join(map(str, epochs))} epochs, so it is "
            f"{found}.tfrecord under the name of the other official file; rename it or get the "
            "one that is meant"
        )
