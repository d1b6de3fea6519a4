"""What guides a search and what it is judged by, as arrays over the whole space.

Reads a scores file and a benchmark file and turns them into lookups by architecture index: the
fitness, the seconds an evaluation costs on the two clocks, and the accuracies of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.errors import DataFileError, UnknownNameError
from trainfree.search import ACCURACY
from trainfree.spaces.protocol import Space
from trainfree.storage import read_dataset

FloatArray = NDArray[np.float64]

SIGNAL_EPOCHS = 12
UNSTATED_EPOCHS = -1

TRAININGS: dict[str, tuple[str, ...]] = {
    "cifar10": ("cifar10-valid", "cifar10"),
    "generated": ("cifar10-valid", "cifar10"),
    "cifar100": ("cifar100",),
    "imagenet16-120": ("ImageNet16-120",),
}
"""The benchmark's names of the trainings on an image set; validation is read from the first,
the test accuracy rather from the last. A data set of the user's own has its own name there."""


def trainings_on(dataset: str) -> tuple[str, ...]:
    """Return the benchmark's names of the trainings on an image set."""
    return TRAININGS.get(dataset, (dataset,))


class Column(NamedTuple):
    """One accuracy of the benchmark: trained on ``dataset``, read on ``split`` after ``epochs``."""

    dataset: str
    split: str
    epochs: int

    @property
    def label(self) -> str:
        """The outcome's name in the search file, for example ``cifar10/test/200``."""
        return f"{self.dataset}/{self.split}/{_epochs_text(self.epochs)}"


@dataclass(frozen=True)
class Signals:
    """Lookups by architecture index.

    Attributes
    ----------
    fitness
        (arch,) what the search is told, larger is better; NaN: the architecture failed.
    scoring_seconds, training_seconds
        (arch,) what one evaluation costs: measured, and simulated from the benchmark (NaN where
        it has no times).
    outcomes
        (arch, outcome) accuracy in percent of every column of the benchmark, NaN missing.
    outcome_names
        Labels of the columns of ``outcomes``.
    headline
        Position in ``outcomes`` of the accuracy that tables report.
    assistance, assistance_seconds
        (arch,) scores of the assisting proxy and what each costs; None without assistance.
    note
        Sentences for readers: what the fitness is, and the assistance.
    clock_note
        Sentences for readers: what the seconds are.
    source_hashes
        Config hash of each file read.
    """

    fitness: FloatArray
    scoring_seconds: FloatArray
    training_seconds: FloatArray
    outcomes: FloatArray
    outcome_names: tuple[str, ...]
    headline: int
    assistance: FloatArray | None
    assistance_seconds: FloatArray | None
    note: str
    clock_note: str
    source_hashes: dict[str, str]


def load_signals(
    space: Space, dataset: str, signal: str, scores: Path | None, benchmark: Path, proxy: str = ""
) -> Signals:
    """Read what a search on ``dataset`` guided by ``signal`` needs.

    Parameters
    ----------
    signal
        ``"accuracy"``, or the name of a proxy of the scores file.
    scores
        The merged scores file; read where a proxy guides or assists.
    proxy
        The assisting proxy, "" for none.

    Raises
    ------
    UnknownNameError
        When the data set is unknown or the scores file lacks the proxy.
    DataFileError
        When a file is missing, does not hold the whole space in order, or has no accuracy for
        the data set.
    """
    trained = read_dataset(benchmark, "benchmark")
    _require_whole_space(trained, space, benchmark)
    columns = _accuracy_columns(trained, benchmark)
    hashes = {"benchmark": _config_hash(trained)}
    known: dict[str, tuple[FloatArray, FloatArray]] = {}
    if names := [name for name in (signal, proxy) if name not in (ACCURACY, "")]:
        scored, path = _read_scores(space, dataset, names[0], scores)
        known = {name: _proxy_columns(scored, name, path) for name in names}
        hashes["scores"] = _config_hash(scored)
    if signal == ACCURACY:
        column = _signal_column(columns, dataset, benchmark)
        fitness, scoring = columns[column], np.zeros(len(space))
        training = _training_seconds(trained, column, benchmark)
        note, clock_note = _accuracy_note(column, fitness), _training_note(column, training)
    else:
        fitness, scoring = known[signal]
        training = np.zeros(len(space))
        note, clock_note = _proxy_note(signal, fitness), "Scoring seconds were measured."
        clock_note += _untimed_note(signal, scoring)
    assistance, paid = known.get(proxy, (None, None))
    if proxy:
        note += f" Assisted by the score of {proxy}."
        clock_note += f" Every score of {proxy} is paid with its measured seconds."
        clock_note += _untimed_note(proxy, known[proxy][1])
    headline = _headline_column(columns, dataset, benchmark)
    return Signals(
        fitness=fitness,
        scoring_seconds=np.nan_to_num(scoring),
        training_seconds=training,
        outcomes=np.stack(list(columns.values()), axis=1),
        outcome_names=tuple(column.label for column in columns),
        headline=list(columns).index(headline),
        assistance=assistance,
        assistance_seconds=None if paid is None else np.nan_to_num(paid),
        note=note,
        clock_note=clock_note,
        source_hashes=hashes,
    )


def over_seeds(accuracy: xr.DataArray) -> xr.DataArray:
    """Reduce the ``seed`` dimension: the source's own mean where it gives one, else ours.

    Ours is the mean over the single trainings that are not missing; NaN where all are.
    """
    names = accuracy["seed"].astype(str)
    single = accuracy.isel(seed=np.flatnonzero(names != "mean")).mean("seed", skipna=True)
    for position in np.flatnonzero(names == "mean"):
        given = accuracy.isel(seed=position, drop=True)
        single = given.where(given.notnull(), single)
    return single


def _accuracy_columns(trained: xr.Dataset, path: Path) -> dict[Column, FloatArray]:
    """Return every (arch,) accuracy that is known for at least one architecture."""
    _require_variables(trained, ("accuracy", "train_seconds"), path)
    accuracy = over_seeds(trained["accuracy"]).transpose("arch", "dataset", "split", "epochs")
    values = accuracy.to_numpy().astype(np.float64)
    columns = {}
    for i, dataset in enumerate(_strings(accuracy["dataset"])):
        for j, split in enumerate(_strings(accuracy["split"])):
            for k, epochs in enumerate(accuracy["epochs"].to_numpy().tolist()):
                if not np.isnan(values[:, i, j, k]).all():
                    columns[Column(dataset, split, int(epochs))] = values[:, i, j, k]
    return columns


def _signal_column(columns: Iterable[Column], dataset: str, path: Path) -> Column:
    """Choose the accuracy that a search may see: validation after 12 epochs if there is one.

    Failing that, validation at the fewest known epochs, and only then a test accuracy.
    """
    trainings = trainings_on(dataset)

    def preference(column: Column) -> tuple[bool, float, int]:
        few_first = math.inf if column.epochs == UNSTATED_EPOCHS else column.epochs
        at = -1.0 if column.epochs == SIGNAL_EPOCHS else few_first
        place = trainings.index(column.dataset)
        return (column.split != "valid", at, place if column.split == "valid" else -place)

    return min(_of_trainings(columns, dataset, path), key=preference)


def _headline_column(columns: Iterable[Column], dataset: str, path: Path) -> Column:
    """Choose the accuracy that is reported: test accuracy after the most epochs."""
    trainings = trainings_on(dataset)

    def preference(column: Column) -> tuple[bool, int, int]:
        return (column.split == "test", column.epochs, trainings.index(column.dataset))

    return max(_of_trainings(columns, dataset, path), key=preference)


def _of_trainings(columns: Iterable[Column], dataset: str, path: Path) -> list[Column]:
    columns = list(columns)
    found = [column for column in columns if column.dataset in trainings_on(dataset)]
    if not found:
        raise DataFileError(
            f"{path}: has no accuracy for the data set {dataset}: expected the benchmark data set "
            f"{' or '.join(trainings_on(dataset))}, found "
            f"{', '.join(column.label for column in columns) or 'no accuracy at all'}; "
            "search on a data set that the benchmark covers or choose another source"
        )
    return found


def _training_seconds(trained: xr.Dataset, column: Column, path: Path) -> FloatArray:
    """Return the (arch,) simulated seconds of the training whose accuracy is ``column``."""
    seconds = trained["train_seconds"].transpose("arch", "dataset", "epochs")
    datasets, epochs = _strings(seconds["dataset"]), seconds["epochs"].to_numpy().tolist()
    if column.dataset not in datasets or column.epochs not in epochs:
        raise DataFileError(
            f"{path}: train_seconds has no entry for {column.label}; make the file again"
        )
    position = datasets.index(column.dataset), epochs.index(column.epochs)
    chosen: FloatArray = seconds.to_numpy()[:, position[0], position[1]].astype(np.float64)
    return chosen


def _read_scores(
    space: Space, dataset: str, proxy: str, path: Path | None
) -> tuple[xr.Dataset, Path]:
    if path is None:
        raise DataFileError(
            f"a search that uses the proxy {proxy!r} needs a scores file, none was given; "
            "name the merged scores of this space and data set"
        )
    scored = read_dataset(path, "scores", {"space": space.name, "dataset": dataset})
    _require_whole_space(scored, space, path)
    return scored, path


def _proxy_columns(scored: xr.Dataset, proxy: str, path: Path) -> tuple[FloatArray, FloatArray]:
    """Return (arch,) scores of a proxy and (arch,) the seconds that each took."""
    score = _proxy_column(scored, "score", proxy, path)
    _refuse_overflow(score, proxy, path)
    return score, _proxy_column(scored, "proxy_seconds", proxy, path)


def _proxy_column(scored: xr.Dataset, variable: str, proxy: str, path: Path) -> FloatArray:
    """Return the (arch,) values of ``variable`` for one proxy."""
    _require_variables(scored, (variable,), path)
    proxies = _strings(scored["proxy"])
    if proxy not in proxies:
        raise UnknownNameError(f"proxy in {path}", proxy, proxies)
    values = scored[variable].transpose("arch", "proxy").to_numpy()
    column: FloatArray = values[:, proxies.index(proxy)].astype(np.float64)
    return column


def _refuse_overflow(scores: FloatArray, proxy: str, path: Path) -> None:
    if np.isposinf(scores).any():
        raise DataFileError(
            f"{path}: {proxy} is +inf for architecture {int(np.argmax(np.isposinf(scores)))}, "
            "which is no score (overflow has to be a status); score the space again"
        )


def _accuracy_note(column: Column, fitness: FloatArray) -> str:
    epochs = (
        "an unstated number of epochs"
        if column.epochs == UNSTATED_EPOCHS
        else f"{column.epochs} epochs"
    )
    if column.split == "valid":
        note = f"Guided by the validation accuracy of {column.dataset} after {epochs}."
    else:
        note = (
            f"Guided by the {column.split} accuracy of {column.dataset} after {epochs}, because "
            "the benchmark has no validation accuracy: the search sees the metric it is judged "
            "by, so its results are optimistic."
        )
    return note + _failures_note(fitness, "have no such accuracy")


def _training_note(column: Column, seconds: FloatArray) -> str:
    if np.isnan(seconds).all():
        return "The benchmark has no training times."
    return (
        f"Training seconds are simulated: the whole {column.epochs}-epoch training on "
        f"{column.dataset} as the benchmark timed it, without the evaluation that the published "
        "scripts add, which benchmark files do not hold."
    )


def _proxy_note(proxy: str, fitness: FloatArray) -> str:
    return f"Guided by the score of {proxy}; nothing is trained." + _failures_note(
        fitness, "could not be scored"
    )


def _untimed_note(proxy: str, seconds: FloatArray) -> str:
    """Say how many scores have no time: those that failed before the clock was read."""
    untimed = int(np.isnan(seconds).sum())
    if untimed == 0:
        return ""
    return f" {untimed} scores of {proxy} failed with no time noted, which counts as zero."


def _failures_note(fitness: FloatArray, what: str) -> str:
    failed = int(np.isnan(fitness).sum())
    if failed == 0:
        return ""
    return f" {failed} of {len(fitness)} architectures {what} and count as worst."


def _require_whole_space(data: xr.Dataset, space: Space, path: Path) -> None:
    """Check that a file's rows are the architectures of the space, all of them and in order."""
    if "arch" not in data.coords or "architecture" not in data.coords:
        raise DataFileError(
            f"{path}: expected coordinates 'arch' and 'architecture', found "
            f"{', '.join(map(str, data.coords)) or 'none'}; make the file again"
        )
    indices, names = data["arch"].to_numpy(), _strings(data["architecture"])
    if len(indices) != len(space):
        raise DataFileError(
            f"{path}: expected all {len(space)} architectures of {space.name}, "
            f"found {len(indices)}; finish or merge its parts first"
        )
    for place, (index, name) in enumerate(zip(indices.tolist(), names, strict=True)):
        if index != place or name != space.to_string(place):
            raise DataFileError(
                f"{path}: row {place} should be architecture {place} of {space.name}, "
                f"{space.to_string(place)}, found {index}, {name}; make the file again"
            )


def _require_variables(data: xr.Dataset, names: Iterable[str], path: Path) -> None:
    missing = [name for name in names if name not in data.data_vars]
    if missing:
        raise DataFileError(
            f"{path}: lacks the variable {', '.join(missing)}; found "
            f"{', '.join(map(str, data.data_vars)) or 'none'}; make the file again"
        )


def _config_hash(data: xr.Dataset) -> str:
    return str(data.attrs.get("config_hash", "unknown"))


def _epochs_text(epochs: int) -> str:
    return "?" if epochs == UNSTATED_EPOCHS else str(epochs)


def _strings(coordinate: xr.DataArray) -> list[str]:
    return [str(value) for value in coordinate.to_numpy().tolist()]
