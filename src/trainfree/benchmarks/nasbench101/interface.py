"""The published interface to the table of trained cells.

Source: the interface of Ying et al., "NAS-Bench-101", ICML 2019 (``nasbench.api``): the same
names, the same dictionaries, the same budget counters. What differs: nothing is printed, the
repeat that a query returns comes from a generator of its own instead of Python's global one,
without a seed it is that of seed 0, numbers that a file does not hold are NaN, and networks are
not trained (``evaluate``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from trainfree.benchmarks.nasbench101.prepared import merged_repeats, read_trained_cells
from trainfree.benchmarks.nasbench101.statistics import Hashes, Statistics
from trainfree.benchmarks.nasbench101.trained_cells import (
    QUANTITIES,
    STAGES,
    TIME,
    leading_digits,
)
from trainfree.benchmarks.nasbench101.training_settings import training_settings
from trainfree.errors import ArchitectureError, ConfigError, TrainfreeError, shown
from trainfree.randomness import stream
from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.specification import (
    INPUT,
    OPERATIONS,
    OUTPUT,
    Matrix,
    ModelSpec,
    broken_rule,
)

Metrics = dict[str, Any]
_DRAWS_AT_A_TIME = 1024


class OutOfDomainError(ArchitectureError):
    """A cell, or a number of epochs, that is outside the benchmark."""


class UnknownHashError(OutOfDomainError, KeyError):
    """A hash that no cell has; a KeyError as in the published package."""

    __str__ = Exception.__str__  # KeyError's would put the sentence in quotes


class NotTrainedHereError(TrainfreeError, NotImplementedError):
    """A training was asked for, which only the published package does."""


class NASBench:
    """The table of trained cells, and a budget that queries are charged to.

    Parameters
    ----------
    dataset_file
        An official ``.tfrecord`` file, a prepared ``.h5`` file (the quickest), or a mirror's
        ``.npz`` table. A mirror's table holds means over the three repeats, which are then the
        only data point of each cell.
    seed
        Root seed, or a generator, for the choice among the repeats; None for another choice each
        time.

    Attributes
    ----------
    valid_epochs
        Numbers of epochs that can be queried.
    training_time_spent, total_epochs_spent
        The budget counters. The seconds become NaN when the file does not hold those of a cell.
    fixed_statistics, computed_statistics
        What :meth:`get_metrics_from_hash` returns, by hash: views of the table that read like
        dictionaries. An entry that was handed out is kept, with what its user changes in it.
    config
        Settings of the published trainings, see ``training_settings.py``.
    history
        Empty, as published.

    Raises
    ------
    SourceError, DataFileError
        When the file is missing or damaged.
    ConfigError
        When the seed is no whole number of at least 0, generator or None.
    """

    def __init__(
        self, dataset_file: str | PathLike[str], seed: int | np.random.Generator | None = 0
    ) -> None:
        cells = merged_repeats(read_trained_cells(Path(dataset_file)))
        self._origin = str(dataset_file)
        self._cells = cells
        self._measurements = cells.measured
        self._leading = array("Q", leading_digits(cells.hashes).tobytes())
        self._epochs = {epochs: place for place, epochs in enumerate(cells.epochs)}
        self._repeats = _Choices(len(cells.repeats), _generator(seed))
        self._matrices: dict[tuple[int, int], Matrix] = {}
        self._final = cells.stages.index("final")
        self.fixed_statistics = Statistics(cells.hashes, self._row, self._fixed)
        self.computed_statistics = Statistics(cells.hashes, self._row, self._computed)
        self.config = training_settings(len(cells.repeats))
        self.history: dict[str, Any] = {}
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
        place = self._place_of(epochs)
        module_hash = self._hash_spec(self._checked(model_spec))
        row = self._row(module_hash)
        data = self.fixed_statistics.copy_of(module_hash, row)
        measured = self._measured(row, place, self._repeats.draw(), halfway=stop_halfway)
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
        return self.get_metrics_from_hash(self._hash_spec(self._checked(model_spec)))

    def get_metrics_from_hash(self, module_hash: str) -> tuple[Metrics, dict[int, list[Metrics]]]:
        """Return all there is of a cell, free of charge.

        Returns
        -------
        fixed, computed
            ``module_adjacency``, ``module_operations``, ``trainable_parameters``; and by number
            of epochs a list of the repeats with ``halfway_`` and ``final_`` measurements.

        Raises
        ------
        UnknownHashError
            When no cell has this hash; it is an OutOfDomainError and a KeyError.
        """
        row = self._row(module_hash)
        return (
            self.fixed_statistics.copy_of(module_hash, row),
            self.computed_statistics.copy_of(module_hash, row),
        )

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Whether a cell keeps the rules of the search space; free of charge."""
        return not _rule_of(model_spec)

    def hash_iterator(self) -> Hashes:
        """Return the hashes of all cells, ascending: a view like a dictionary's keys."""
        return Hashes(self.fixed_statistics)

    def evaluate(self, model_spec: ModelSpec, model_dir: str) -> Metrics:
        """Refuse to train a network, which the published package does with TensorFlow.

        Raises
        ------
        NotTrainedHereError
            Always.
        """
        raise NotTrainedHereError(
            "evaluate: trains a network from scratch with TensorFlow in the published package and "
            "is not offered here; query returns what trainings of every cell gave, and "
            "trainfree.spaces.build_network makes the cell's network in PyTorch"
        )

    def get_budget_counters(self) -> tuple[float, int]:
        """Return the seconds and epochs of all queries since the last reset."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set the counters to zero."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def _check_spec(self, model_spec: ModelSpec) -> None:
        """Raise OutOfDomainError unless a cell is in the search space, as the published method."""
        self._checked(model_spec)

    def _checked(self, spec: ModelSpec) -> ModelSpec:
        if rule := _rule_of(spec):
            raise OutOfDomainError(f"{shown(spec, 600)} is not in NAS-Bench-101: {rule}")
        return spec

    def _hash_spec(self, model_spec: ModelSpec) -> str:
        """Return the hash of a cell, as the published method."""
        return model_spec.hash_spec(OPERATIONS)

    def _place_of(self, epochs: int) -> int:
        try:
            return self._epochs[epochs]
        except (KeyError, TypeError):  # a list cannot be looked up
            known = ", ".join(map(str, sorted(self.valid_epochs)))
        if isinstance(epochs, int | float | np.number):
            raise OutOfDomainError(
                f"{self._origin}: has no trainings of {epochs} epochs; expected one of {known}"
            )
        raise OutOfDomainError(
            f"{self._origin}: expected a number of epochs ({known}), found {shown(epochs)}, which "
            f"is not a number but {type(epochs).__name__}"
        )

    def _row(self, module_hash: str) -> int:
        try:
            digest = bytes.fromhex(module_hash)
        except (ValueError, TypeError) as error:
            raise UnknownHashError(
                f"{shown(module_hash)}: expected a hash of 32 hexadecimal digits"
            ) from error
        row = bisect_left(self._leading, int.from_bytes(digest[:8]))
        while row < len(self._leading):
            found = self._cells.hashes[row].tobytes()
            if found == digest and found.hex() == module_hash:
                return row
            if found[:8] != digest[:8]:
                break
            row += 1
        raise UnknownHashError(f"{self._origin}: has no cell with hash {shown(module_hash)}")

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

    def _computed(self, row: int) -> dict[int, list[Metrics]]:
        return {
            epochs: [self._data_point(row, place, k) for k in range(len(self._cells.repeats))]
            for epochs, place in self._epochs.items()
        }

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


class _Choices:
    """Numbers below ``count``, drawn many at a time; unlike a generator it can be pickled."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._count, self._rng = count, rng
        self._drawn: list[int] = []

    def draw(self) -> int:
        """Return the next one."""
        if not self._drawn:
            self._drawn = self._rng.integers(self._count, size=_DRAWS_AT_A_TIME).tolist()[::-1]
        return self._drawn.pop()


def _generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None:
        return np.random.default_rng()
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(
            f"seed: expected a whole number of at least 0, a generator or None, found {shown(seed)}"
        )
    return stream(int(seed), "nasbench101/repeat")


def _rule_of(spec: Any) -> str:
    """Return the rule that a cell breaks; of any object with the published attributes."""
    if isinstance(spec, ModelSpec):
        return spec.broken_rule
    try:
        return broken_rule(spec.matrix, spec.ops) if spec.valid_spec else broken_rule(None, None)
    except AttributeError as error:
        raise OutOfDomainError(
            f"expected a ModelSpec, found {type(spec).__name__} {shown(spec)} ({error}); write "
            "ModelSpec(matrix=..., ops=...)"
        ) from None
