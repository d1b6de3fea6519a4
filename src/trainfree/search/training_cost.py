"""What a benchmark says of a training: the accuracy that a search is told, the seconds it pays.

Which accuracy that is follows from what the benchmark holds (validation accuracy after 12 epochs,
if there is one), except in spaces whose published searches have an accounting of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.errors import DataFileError, near_match

FloatArray = NDArray[np.float64]

SIGNAL_EPOCHS = 12
UNSTATED_EPOCHS = -1
ESTIMATED = "estimated_train_seconds"
VALIDATION = "validation_seconds"

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
class Account:
    """How a search pays for the accuracy it sees.

    Attributes
    ----------
    column
        The accuracy.
    share
        The part of that training's seconds that is charged.
    reason
        Why it is this accuracy and this part; empty for what is validated and charged whole.
    """

    column: Column
    share: float = 1.0
    reason: str = ""


PUBLISHED: Mapping[str, Account] = {
    "nasbench101": Account(
        Column("cifar10", "test", 108), SIGNAL_EPOCHS / 108, "as NASWOT's code does in this space"
    )
}
"""By space. NASWOT's released code takes the final test accuracy for the fitness in NAS-Bench-101
and charges 12/108 of the training. It takes the best of the trainings, this suite their mean."""


def account_of(space: str, columns: Iterable[Column], dataset: str, path: Path) -> Account:
    """Return what a search on ``dataset`` sees and pays.

    Raises
    ------
    DataFileError
        When the benchmark has no accuracy for the data set.
    """
    found = _of_trainings(columns, dataset, path)
    published = PUBLISHED.get(space)
    if published and published.column in found:
        return published
    column = _signal_column(found, dataset)
    guess = "because the benchmark has no validation accuracy"
    return Account(column, reason="" if column.split == "valid" else guess)


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


def accuracy_columns(trained: xr.Dataset, path: Path) -> dict[Column, FloatArray]:
    """Return every (arch,) accuracy that is known for at least one architecture, in percent.

    Raises
    ------
    DataFileError
        When the file lacks accuracies or times.
    """
    require_variables(trained, ("accuracy", "train_seconds"), path)
    accuracy = over_seeds(trained["accuracy"]).transpose("arch", "dataset", "split", "epochs")
    values = accuracy.to_numpy().astype(np.float64)
    columns = {}
    for i, dataset in enumerate(strings(accuracy["dataset"])):
        for j, split in enumerate(strings(accuracy["split"])):
            for k, epochs in enumerate(accuracy["epochs"].to_numpy().tolist()):
                if not np.isnan(values[:, i, j, k]).all():
                    columns[Column(dataset, split, int(epochs))] = values[:, i, j, k]
    return columns


def headline_column(columns: Iterable[Column], dataset: str, path: Path) -> Column:
    """Choose the accuracy that is reported: test accuracy after the most epochs.

    Raises
    ------
    DataFileError
        When the benchmark has no accuracy for the data set.
    """
    trainings = trainings_on(dataset)

    def preference(column: Column) -> tuple[bool, int, int]:
        return (column.split == "test", column.epochs, trainings.index(column.dataset))

    return max(_of_trainings(columns, dataset, path), key=preference)


def _signal_column(columns: Iterable[Column], dataset: str) -> Column:
    """Choose the accuracy that a search may see: validation after 12 epochs if there is one.

    Failing that, validation at the fewest known epochs, and only then a test accuracy.
    """
    trainings = trainings_on(dataset)

    def preference(column: Column) -> tuple[bool, float, int]:
        few_first = math.inf if column.epochs == UNSTATED_EPOCHS else column.epochs
        at = -1.0 if column.epochs == SIGNAL_EPOCHS else few_first
        place = trainings.index(column.dataset)
        return (column.split != "valid", at, place if column.split == "valid" else -place)

    return min(columns, key=preference)


def _of_trainings(columns: Iterable[Column], dataset: str, path: Path) -> list[Column]:
    columns = list(columns)
    found = [column for column in columns if column.dataset in trainings_on(dataset)]
    if not found:
        hint = "" if dataset in TRAININGS else near_match(dataset, TRAININGS)
        raise DataFileError(
            f"{path}: has no accuracy for the data set {dataset!r}{hint}: expected the "
            f"benchmark data set {' or '.join(trainings_on(dataset))}, found "
            f"{', '.join(column.label for column in columns) or 'no accuracy at all'}; "
            "search on a data set that the benchmark covers or choose another source"
        )
    return found


def training_seconds(trained: xr.Dataset, account: Account, path: Path) -> FloatArray:
    """Return the (arch,) simulated seconds that a search is charged for each training.

    To the training, one pass over the validation images is added where the benchmark has timed
    it, as the published scripts do. Where the benchmark timed a sample of the trainings only, the
    others' seconds are its estimates, if it has any.

    Raises
    ------
    DataFileError
        When the benchmark has no such training.
    """
    column = account.column
    seconds = trained["train_seconds"].transpose("arch", "dataset", "epochs")
    datasets, epochs = strings(seconds["dataset"]), seconds["epochs"].to_numpy().tolist()
    if column.dataset not in datasets or column.epochs not in epochs:
        raise DataFileError(
            f"{path}: train_seconds has no entry for {column.label}; make the file again"
        )
    position = datasets.index(column.dataset), epochs.index(column.epochs)
    chosen: FloatArray = seconds.to_numpy()[:, position[0], position[1]].astype(np.float64)
    if ESTIMATED in trained and column.epochs == max(epochs):
        chosen = np.where(np.isnan(chosen), trained[ESTIMATED].to_numpy(), chosen)
    validation = validation_seconds(trained, account)
    return account.share * chosen + (0.0 if validation is None else validation)


def validation_seconds(trained: xr.Dataset, account: Account) -> FloatArray | None:
    """Return the (arch,) seconds of the validation pass that is charged beside each training.

    None where a search is guided by no validation accuracy, pays for a part of the training only,
    or where the benchmark has not timed the pass of every training that it has timed: charging
    some would make them dearer than others.
    """
    column = account.column
    if VALIDATION not in trained or column.split != "valid" or account.share != 1.0:
        return None
    where = {"dataset": column.dataset, "epochs": column.epochs}
    passes: FloatArray = trained[VALIDATION].sel(where).to_numpy().astype(np.float64)
    timed = trained["train_seconds"].sel(where).notnull().to_numpy() | (ESTIMATED in trained)
    return None if np.isnan(passes[timed]).any() else passes


def accuracy_note(account: Account) -> str:
    """Say what guides a search."""
    column = account.column
    epochs = (
        "an unstated number of epochs"
        if column.epochs == UNSTATED_EPOCHS
        else f"{column.epochs} epochs"
    )
    if column.split == "valid":
        return f"Guided by the validation accuracy of {column.dataset} after {epochs}."
    return (
        f"Guided by the {column.split} accuracy of {column.dataset} after {epochs}, "
        f"{account.reason}: the search sees the metric it is judged by, so its results are "
        "optimistic."
    )


def training_note(trained: xr.Dataset, account: Account, seconds: FloatArray) -> str:
    """Say what the seconds of the simulated clock are."""
    if np.isnan(seconds).all():
        return "The benchmark has no training times."
    column = account.column
    if account.share < 1:
        part = f"{account.share * column.epochs:g}/{column.epochs} of the"
        return (
            f"Training seconds are simulated: {part} {column.epochs}-epoch training on "
            f"{column.dataset} as the benchmark timed it, {account.reason}."
            + _estimates_note(trained, account)
        )
    whole = (
        f"Training seconds are simulated: the whole {column.epochs}-epoch training on "
        f"{column.dataset} as the benchmark timed it"
    )
    if validation_seconds(trained, account) is not None:
        validation = " and one pass over the validation images, as the published scripts charge it."
    elif column.split == "valid":
        validation = (
            ", without the pass over the validation images that the published scripts charge too: "
            "the benchmark file does not hold its seconds."
        )
    else:
        validation = ", without any evaluation."
    return whole + validation + _estimates_note(trained, account)


def _estimates_note(trained: xr.Dataset, account: Account) -> str:
    if ESTIMATED not in trained:
        return ""
    measured = trained["train_seconds"].sel(
        dataset=account.column.dataset, epochs=account.column.epochs
    )
    described = trained[ESTIMATED].attrs
    return (
        f" It timed {int(measured.notnull().sum())} of {trained.sizes['arch']} trainings; the "
        "others' seconds are estimated from their networks' work, which explains "
        f"{100 * float(described['r_squared']):.0f} % of the variance in cells left out of the "
        f"fit, with a median error of {100 * float(described['median_error']):.0f} %."
    )


def require_variables(data: xr.Dataset, names: Iterable[str], path: Path) -> None:
    """Raise DataFileError when a file lacks one of its variables."""
    missing = [name for name in names if name not in data.data_vars]
    if missing:
        raise DataFileError(
            f"{path}: lacks the variable {', '.join(missing)}; found "
            f"{', '.join(map(str, data.data_vars)) or 'none'}; make the file again"
        )


def strings(coordinate: xr.DataArray) -> list[str]:
    """Return the texts of a coordinate."""
    return [str(value) for value in coordinate.to_numpy().tolist()]


def _epochs_text(epochs: int) -> str:
    return "?" if epochs == UNSTATED_EPOCHS else str(epochs)
