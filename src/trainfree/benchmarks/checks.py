"""What every benchmark must be, whatever source filled it.

A number that is of the wrong kind, unit or range changes results without a word; so it is refused
where it comes in, once, and everything after may rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trainfree.benchmarks.hardware_form import HardwareTable
from trainfree.benchmarks.schema import BenchmarkTable, Column
from trainfree.errors import SourceError
from trainfree.sources.formats.reading import brief
from trainfree.spaces.protocol import Space
from trainfree.trainings import CORRECT, METRICS, SPLITS, UNSTATED_EPOCHS

SHORTEST_TRAINING = 1e-3
"""Seconds. No machine reads a training set once in less; and a search whose trainings take no time
never spends its budget."""
LONGEST_TRAINING = 1e8
"""Seconds, three years: longer ones are in another unit."""
LARGEST_COUNT = 1e15
"""Parameters or multiply-adds of one network; numbers beyond 2**53 are not whole in float64."""
LARGEST_COST = 1e9
"""Milliseconds or millijoules of one image, eleven days or the energy of a car's tank."""
_BY_TRAINING, _BY_DATASET = "(data set, epochs)", "data set"
MOST_EPOCHS = 1_000_000


@dataclass(frozen=True)
class Range:
    """The numbers that a column may have, besides NaN for missing, and their unit in words."""

    words: str
    low: float
    high: float
    whole: bool = False
    positive: bool = False


PERCENT = Range("percentages from 0 to 100", 0.0, 100.0)
FRACTION = Range("fractions from 0 to 1", 0.0, 1.0)
SECONDS = Range(
    f"seconds of a whole training, {SHORTEST_TRAINING:g} to {LONGEST_TRAINING:g}",
    SHORTEST_TRAINING,
    LONGEST_TRAINING,
)
RUN_SECONDS = replace(SECONDS, words=SECONDS.words.replace("a whole training", "a training"))
PASS_SECONDS = replace(
    SECONDS, words=SECONDS.words.replace("a whole training", "a pass over validation images")
)
COUNT = Range(f"whole numbers from 1 to {LARGEST_COUNT:g}", 1.0, LARGEST_COUNT, whole=True)
ANY = Range(f"numbers up to {LARGEST_COUNT:g}", -LARGEST_COUNT, LARGEST_COUNT)
_BESIDE = {
    "train_seconds": (SECONDS, _BY_TRAINING),
    "validation_seconds": (PASS_SECONDS, _BY_TRAINING),
    "params": (COUNT, _BY_DATASET),
    "flops": (COUNT, _BY_DATASET),
}
"""Columns beside the accuracies: what their numbers may be, and what their keys are."""
_COMPLETE = ("train_seconds", "params", "flops")
"""Those that a source has of every architecture, if it has them at all."""
COST = Range(f"positive numbers up to {LARGEST_COST:g}", 0.0, LARGEST_COST, positive=True)


def check_column(values: object, rows: int, allowed: Range, where: str) -> Column:
    """Return a column as float64 after checking every number in it.

    Parameters
    ----------
    values
        What a source gave, one value an architecture.
    rows
        Number of architectures.
    allowed
        What the numbers may be. NaN stands for missing and is always let through.
    where
        Name of the file and column, for messages.

    Raises
    ------
    SourceError
        When it is no array of real numbers, has another length, or a number is out of range.
    """
    array = _real_array(values, f"{where}: expected {allowed.words}, one for each architecture")
    if array.shape != (rows,):
        found = len(array) if array.ndim == 1 else f"an array of shape {array.shape}"
        raise SourceError(
            f"{where}: expected one value for each of the {rows} architectures, found {found}"
        )
    column = array.astype(np.float64)
    missing = np.isnan(column)
    wrong = ~missing & ~((column >= allowed.low) & (column <= allowed.high))
    if allowed.positive:
        wrong |= column <= 0
    if allowed.whole:
        with np.errstate(invalid="ignore"):
            wrong |= ~missing & (column != np.round(column))
    if wrong.any():
        far = np.where(wrong, np.abs(column - (allowed.low + allowed.high) / 2), -1.0)
        place = int(np.argmax(far))
        raise SourceError(
            f"{where}: expected {allowed.words}, found {column[place]} for architecture {place} "
            f"({np.count_nonzero(wrong)} of {rows} are outside)"
        )
    return column


def plain_number(value: object, where: str, name: str) -> float:
    """Return the number ``name`` of a foreign record as a float.

    Raises
    ------
    SourceError
        When it is anything else: a truth value, a text, a complex number, a list, an endless one.
    """
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise SourceError(f"{where}: expected a number {name}, found {brief(value)}")
    try:
        return float(value)
    except OverflowError:
        raise SourceError(
            f"{where}: expected a number {name}, found one of too many digits"
        ) from None


def check_percentages(values: object, rows: int, where: str) -> Column:
    """Like :func:`check_column` for percent; refuses columns that are fractions of 1."""
    column = check_column(values, rows, PERCENT, where)
    present = column[~np.isnan(column)]
    if present.size and 0 < present.max() <= 1:
        raise SourceError(
            f"{where}: expected percentages, found none above {present.max():g}; "
            "they look like fractions from 0 to 1, multiply them by 100"
        )
    return column


def check_metric(values: object, rows: int, metric: str, where: str) -> Column:
    """Like :func:`check_column` for accuracies of a metric, a key of ``METRICS``."""
    kind = METRICS[metric]
    if kind.units == "%":
        return check_percentages(values, rows, where)
    words = f"numbers from {kind.low:g} to {kind.high:g} ({kind.title})"
    return check_column(values, rows, Range(words, kind.low, kind.high), where)


def _checked_metrics(metrics: object, datasets: set[str], where: str) -> dict[str, str]:
    """Return the metric of every data set."""
    found = dict.fromkeys(datasets, CORRECT)
    for dataset, metric in _items(metrics, f"{where}: metrics"):
        _require_known(dataset, datasets, f"{where}: metrics", _BY_DATASET)
        if not isinstance(metric, str) or metric not in METRICS:
            raise SourceError(
                f"{where}: metrics: expected {', '.join(METRICS)}, found {brief(metric)} for "
                f"{dataset}"
            )
        found[dataset] = metric
    return found


def check_benchmark(space: Space, table: object, where: str) -> BenchmarkTable:
    """Return a benchmark's table, columns as float64, after checking all that is in it.

    Parameters
    ----------
    space
        The space whose architectures the columns hold.
    table
        What a reader or an extension gave.
    where
        Name of the file or function that gave it, for messages.

    Raises
    ------
    SourceError
        Naming the column: it is no array of real numbers of the space's length, or a number is
        out of its range or in another unit; or a key is none of the form described in
        :class:`BenchmarkTable`, a data set has no accuracy, an official index occurs twice, or
        architectures are without any value in a table that should be complete.
    """
    if type(table) is not BenchmarkTable:
        raise SourceError(f"{where}: expected a BenchmarkTable, found {type(table).__name__}")
    rows = len(space)
    given = {
        _accuracy_key(key, where): values
        for key, values in _items(table.accuracy, f"{where}: accuracy")
    }
    metrics = _checked_metrics(table.metrics, {key[0] for key in given}, where)
    accuracy = {
        key: check_metric(values, rows, metrics[key[0]], f"{where}: accuracy {_shown(key)}")
        for key, values in given.items()
    }
    if not any((~np.isnan(column)).any() for column in accuracy.values()):
        raise SourceError(f"{where}: expected trained accuracies, found none at all")
    trained = {(key[0], key[2]) for key in accuracy}
    datasets = {dataset for dataset, _ in trained}
    beside: dict[str, Any] = {}
    for name, (allowed, form) in _BESIDE.items():
        beside[name] = {}
        for key, values in _items(getattr(table, name), f"{where}: {name}"):
            known = datasets if form == _BY_DATASET else trained
            _require_known(key, known, f"{where}: {name}", form)
            column = check_column(values, rows, allowed, f"{where}: {name} {_shown(key)}")
            beside[name][key] = column
    further = {}
    for name, (values, meaning) in _items(table.further, f"{where}: further"):
        further[name] = (check_percentages(values, rows, f"{where}: {name}"), meaning)
    covariates = {}
    for name, (values, units, meaning) in _items(table.covariates, f"{where}: covariates"):
        covariates[name] = (check_column(values, rows, ANY, f"{where}: {name}"), units, meaning)
    _check_official(table.official_index, rows, where)
    checked = replace(table, accuracy=accuracy, further=further, covariates=covariates, **beside)
    if not table.partial:
        _require_complete(space, checked, where)
    return checked


def check_hardware(table: HardwareTable, rows: int, where: str) -> HardwareTable:
    """Return a table of costs, columns as float64, after checking all that is in it.

    Raises
    ------
    SourceError
        Naming the column with a cost that is not positive or an accuracy that is no percentage.
    """
    costs = {
        name: {
            device: check_column(values, rows, COST, f"{where}: {name} on {device}")
            for device, values in columns.items()
        }
        for name, columns in (("latency", table.latency), ("energy", table.energy))
    }
    accuracy = {
        deployment: check_percentages(values, rows, f"{where}: accuracy of {deployment}")
        for deployment, values in table.accuracy.items()
    }
    return replace(table, accuracy=accuracy, latency=costs["latency"], energy=costs["energy"])


def without_accuracy(table: BenchmarkTable) -> int:
    """Return how many architectures have no accuracy of some outcome that others have."""
    return max(int(np.count_nonzero(~there)) for there in _present(table).values())


def _present(table: BenchmarkTable) -> dict[tuple[str, str, int], npt.NDArray[np.bool_]]:
    """Return for each (data set, split, epochs) which architectures have an accuracy."""
    there: dict[tuple[str, str, int], npt.NDArray[np.bool_]] = {}
    for (dataset, split, epochs, _), column in table.accuracy.items():
        known = ~np.isnan(column)
        key = (dataset, split, epochs)
        there[key] = there[key] | known if key in there else known
    return there


def _require_complete(space: Space, table: BenchmarkTable, where: str) -> None:
    for outcome, there in _present(table).items():
        if not there.all():
            first = int(np.argmin(there))
            raise SourceError(
                f"{where}: accuracy {_shown(outcome)}: expected one for each of the {len(space)} "
                f"architectures of {space.name}, {np.count_nonzero(~there)} have none, the first "
                f"is {space.to_string(first)!r}"
            )
    for name in _COMPLETE:
        for key, column in getattr(table, name).items():
            if (missing := np.isnan(column)).any():
                raise SourceError(
                    f"{where}: {name} {_shown(key)}: expected a number for each of the "
                    f"{len(space)} architectures of {space.name}, "
                    f"{np.count_nonzero(missing)} are missing"
                )


def _real_array(values: object, expected: str) -> npt.NDArray[Any]:
    if isinstance(values, list | tuple):
        values = np.array(values) if all(type(value) in (int, float) for value in values) else None
        if values is None:
            raise SourceError(f"{expected}, found a list with other things than numbers in it")
    if type(values) is not np.ndarray:
        raise SourceError(f"{expected}, found {type(values).__name__}")
    if values.dtype.kind not in "iuf":
        raise SourceError(f"{expected}, found an array of {values.dtype}")
    return values


def _items(columns: object, where: str) -> Iterator[tuple[Any, Any]]:
    if not isinstance(columns, Mapping):
        raise SourceError(f"{where}: expected a dictionary, found {type(columns).__name__}")
    return iter(columns.items())


def _accuracy_key(key: object, where: str) -> tuple[str, str, int, str]:
    form = "(data set, split, epochs, seed)"
    if not isinstance(key, tuple) or len(key) != 4:
        raise SourceError(f"{where}: accuracy: expected keys {form}, found {brief(key)}")
    dataset, split, epochs, seed = key
    if not isinstance(dataset, str) or not isinstance(seed, str) or not dataset or not seed:
        raise SourceError(f"{where}: accuracy: expected strings in {form}, found {brief(key)}")
    if split not in SPLITS:
        raise SourceError(
            f"{where}: accuracy: expected the split to be {' or '.join(SPLITS)}, found {brief(key)}"
        )
    if type(epochs) is not int or not (epochs == UNSTATED_EPOCHS or 0 < epochs <= MOST_EPOCHS):
        raise SourceError(
            f"{where}: accuracy: expected a whole number of epochs, {UNSTATED_EPOCHS} where it is "
            f"not stated, found {brief(key)}"
        )
    return dataset, split, epochs, seed


def _require_known(key: object, known: set[Any], where: str, form: str) -> None:
    if not isinstance(key, str | tuple) or key not in known:
        shown = ", ".join(sorted(map(_shown, known)))
        raise SourceError(
            f"{where}: expected a {form} that has accuracies ({shown}), found {brief(key)}"
        )


def _shown(key: Any) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _check_official(index: object, rows: int, where: str) -> None:
    if index is None:
        return
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu" or index.shape != (rows,):
        raise SourceError(f"{where}: official_index: expected {rows} whole numbers")
    known = np.sort(index[index >= 0])
    twice = known[1:][known[1:] == known[:-1]]
    if rows and (index.min() < -1 or twice.size):
        found = f"{twice[0]} twice" if twice.size else f"{index.min()}"
        raise SourceError(
            f"{where}: official_index: expected different numbers from 0, or -1 for unknown, "
            f"found {found}"
        )
