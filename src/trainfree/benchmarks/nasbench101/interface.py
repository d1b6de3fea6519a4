"""The published interface to the table of trained cells.

Source: the interface of Ying et al., "NAS-Bench-101", ICML 2019 (``nasbench.api``): the same
names, the same dictionaries, the same budget counters. What differs: nothing is printed, the
repeat that a query returns comes from a generator of its own instead of Python's global one, and
numbers that a file does not hold are NaN.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from trainfree.benchmarks.nasbench101.prepared import merged_repeats, read_trained_cells
from trainfree.benchmarks.nasbench101.trained_cells import (
    QUANTITIES,
    STAGES,
    TIME,
    leading_digits,
)
from trainfree.errors import ArchitectureError
from trainfree.randomness import stream
from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.specification import INPUT, OPERATIONS, OUTPUT, Matrix, ModelSpec

Metrics = dict[str, Any]
_DRAWS_AT_A_TIME = 1024


class OutOfDomainError(ArchitectureError):
    """A cell, or a number of epochs, that is outside the benchmark."""


class NASBench:
    """The table of trained cells, and a budget that queries are charged to.

    Parameters
    ----------
    path
        An official ``.tfrecord`` file, a prepared ``.h5`` file (the quickest), or a mirror's
        ``.npz`` table. A mirror's table holds means over the three repeats, which are then the
        only data point of each cell.
    seed
        Root seed, or a generator, for the choice among the repeats.

    Attributes
    ----------
    valid_epochs
        Numbers of epochs that can be queried.
    training_time_spent, total_epochs_spent
        The budget counters. The seconds become NaN when the file does not hold those of a cell.

    Raises
    ------
    SourceError, DataFileError
        When the file is missing or damaged.
    """

    def __init__(self, path: str | PathLike[str], seed: int | np.random.Generator = 0) -> None:
        rng = seed if isinstance(seed, np.random.Generator) else stream(seed, "nasbench101/repeat")
        cells = merged_repeats(read_trained_cells(Path(path)))
        self._origin = str(path)
        self._cells = cells
        self._measurements = cells.measured
        self._leading = array("Q", leading_digits(cells.hashes).tobytes())
        self._epochs = {epochs: place for place, epochs in enumerate(cells.epochs)}
        self._repeats = _choices(len(cells.repeats), rng)
        self._matrices: dict[tuple[int, int], Matrix] = {}
        self._final = cells.stages.index("final")
        self.valid_epochs = set(cells.epochs)
        self.reset_budget_counters()

    def query(
        self, model_spec: ModelSpec, epochs: int = 108, stop_halfway: bool = False
    ) -> Metrics:
        """Return one of the trainings of a cell and charge it to the budget.

        Parameters
        ----------
        model_spec
            The cell.
        epochs
            Length of the training, one of ``valid_epochs``.
        stop_halfway
            Whether to stop after half of it: the measurements of then, half the epochs charged.

        Returns
        -------
        dict
            ``module_adjacency`` and ``module_operations`` as the table has the cell,
            ``trainable_parameters``, ``training_time`` in seconds, ``train_accuracy``,
            ``validation_accuracy`` and ``test_accuracy`` between 0 and 1.

        Raises
        ------
        OutOfDomainError
            Naming the rule that the cell breaks, or the numbers of epochs there are.
        """
        place = self._epochs.get(epochs)
        if place is None:
            known = ", ".join(map(str, sorted(self.valid_epochs)))
            raise OutOfDomainError(
                f"{self._origin}: has no trainings of {epochs} epochs; expected one of {known}"
            )
        row = self._row_of(model_spec)
        data = self._fixed(row)
        measured = self._measured(row, place, next(self._repeats), halfway=stop_halfway)
        data.update(zip(QUANTITIES, measured, strict=True))
        self.training_time_spent += data[TIME]
        self.total_epochs_spent += epochs // 2 if stop_halfway else epochs
        return data

    def get_metrics_from_spec(
        self, model_spec: ModelSpec
    ) -> tuple[Metrics, dict[int, list[Metrics]]]:
        """Return all there is of a cell, free of charge (see :meth:`get_metrics_from_hash`).

        Raises
        ------
        OutOfDomainError
            Naming the rule that the cell breaks.
        """
        return self._metrics(self._row_of(model_spec))

    def get_metrics_from_hash(self, module_hash: str) -> tuple[Metrics, dict[int, list[Metrics]]]:
        """Return all there is of a cell, free of charge.

        Returns
        -------
        fixed, computed
            ``module_adjacency``, ``module_operations``, ``trainable_parameters``; and by number
            of epochs a list of the repeats with ``halfway_`` and ``final_`` measurements.

        Raises
        ------
        OutOfDomainError
            When no cell has this hash.
        """
        return self._metrics(self._row(module_hash))

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Whether a cell keeps the rules of the search space; free of charge."""
        return not model_spec.broken_rule

    def hash_iterator(self) -> Iterator[str]:
        """Yield the hash of every cell, ascending."""
        for row in self._cells.hashes:
            yield row.tobytes().hex()

    def get_budget_counters(self) -> tuple[float, int]:
        """Return the seconds and epochs of all queries since the last reset."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set the counters to zero."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def _row_of(self, spec: ModelSpec) -> int:
        if spec.broken_rule:
            raise OutOfDomainError(f"{spec!r} is not in NAS-Bench-101: {spec.broken_rule}")
        return self._row(spec.hash_spec())

    def _row(self, module_hash: str) -> int:
        try:
            digest = bytes.fromhex(module_hash)
        except ValueError as error:
            raise OutOfDomainError(
                f"{module_hash!r}: expected a hash of 32 hexadecimal digits"
            ) from error
        row = bisect_left(self._leading, int.from_bytes(digest[:8]))
        while row < len(self._leading):
            found = self._cells.hashes[row].tobytes()
            if found == digest:
                return row
            if found[:8] != digest[:8]:
                break
            row += 1
        raise OutOfDomainError(f"{self._origin}: has no cell with hash {module_hash!r}")

    def _fixed(self, row: int) -> Metrics:
        cells = self._cells
        vertices, bits = cells.vertices.item(row), cells.bits.item(row)
        matrix = self._matrices.get((vertices, bits))
        if matrix is None:
            matrix = self._matrices[vertices, bits] = bits_matrix(vertices, bits)
        digits = operation_digits(vertices)[cells.codes.item(row)].tolist()
        return {
            "module_adjacency": matrix.copy(),
            "module_operations": [INPUT, *[OPERATIONS[number] for number in digits], OUTPUT],
            "trainable_parameters": cells.params.item(row),
        }

    def _measured(self, row: int, epochs: int, repeat: int, *, halfway: bool) -> list[float]:
        if halfway and len(self._cells.stages) < len(STAGES):
            return [np.nan] * len(QUANTITIES)
        stage = self._final - halfway
        return self._measurements[row, epochs, repeat, stage].tolist()  # type: ignore[no-any-return]

    def _metrics(self, row: int) -> tuple[Metrics, dict[int, list[Metrics]]]:
        computed = {
            epochs: [self._data_point(row, place, k) for k in range(len(self._cells.repeats))]
            for epochs, place in self._epochs.items()
        }
        return self._fixed(row), computed

    def _data_point(self, row: int, epochs: int, repeat: int) -> Metrics:
        return {
            f"{stage}_{name}": value
            for stage in STAGES
            for name, value in zip(
                QUANTITIES,
                self._measured(row, epochs, repeat, halfway=stage == "halfway"),
                strict=True,
            )
        }


def _choices(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.integers(count, size=_DRAWS_AT_A_TIME).tolist()
