"""What a benchmark says of a training: the accuracy that a search is told, the seconds it pays.

Which accuracy that is follows from what the benchmark holds (validation accuracy after 12 epochs,
if there is one), except in spaces whose published searches reckon in their own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import DataFileError, near_match
from trainfree.trainings import (
    SEARCH_EPOCHS,
    TRAININGS,
    UNSTATED_EPOCHS,
    Outcome,
    accuracies,
    guide,
    of_trainings,
    trainings_on,
)

if TYPE_CHECKING:
    import xarray as xr

FloatArray = NDArray[np.float64]

ESTIMATED = "estimated_train_seconds"
VALIDATION = "validation_seconds"


@dataclass(frozen=True)
class TrainingCost:
    """How a search pays for the accuracy it sees.

    Attributes
    ----------
    outcome
        The accuracy.
    share
        The part of that training's seconds that is charged.
    reason
        Why it is this accuracy and this part; empty for what is validated and charged whole.
    """

    outcome: Outcome
    share: float = 1.0
    reason: str = ""


PUBLISHED: Mapping[str, TrainingCost] = {
    "nasbench101": TrainingCost(
        Outcome("cifar10", "test", 108), SEARCH_EPOCHS / 108, "as NASWOT's code does in this space"
    )
}
"""By space. NASWOT's released code takes the final test accuracy for the fitness in NAS-Bench-101
and charges 12/108 of the training. It takes the best of the trainings, this suite their mean."""


def training_cost_of(
    space: str, outcomes: Iterable[Outcome], dataset: str, path: Path
) -> TrainingCost:
    """Return what a search on ``dataset`` sees and pays.

    Raises
    ------
    DataFileError
        When the benchmark has no accuracy for the data set.
    """
    outcomes = list(outcomes)
    outcome = guide(outcomes, dataset)
    if outcome is None:
        raise no_accuracy(outcomes, dataset, path)
    published = PUBLISHED.get(space)
    if published and published.outcome in of_trainings(outcomes, dataset):
        return published
    guess = "because the benchmark has no validation accuracy"
    return TrainingCost(outcome, reason="" if outcome.split == "valid" else guess)


def no_accuracy(outcomes: Iterable[Outcome], dataset: str, path: Path) -> DataFileError:
    """Return the error that a benchmark has nothing for a data set, with what it has."""
    hint = "" if dataset in TRAININGS else near_match(dataset, TRAININGS)
    return DataFileError(
        f"{path}: has no accuracy for the data set {dataset!r}{hint}: expected the "
        f"benchmark data set {' or '.join(trainings_on(dataset))}, found "
        f"{', '.join(outcome.label for outcome in outcomes) or 'no accuracy at all'}; "
        "search on a data set that the benchmark covers or choose another source"
    )


def accuracy_columns(trained: xr.Dataset, path: Path) -> dict[Outcome, FloatArray]:
    """Return every (arch,) accuracy that is known for at least one architecture, in percent.

    Raises
    ------
    DataFileError
        When the file lacks accuracies or times.
    """
    require_variables(trained, ("accuracy", "train_seconds"), path)
    return accuracies(trained)


def training_seconds(trained: xr.Dataset, cost: TrainingCost, path: Path) -> FloatArray:
    """Return the (arch,) simulated seconds that a search is charged for each training.

    To the training, one pass over the validation images is added where the benchmark has timed
    it, as the published scripts do. Where the benchmark timed a sample of the trainings only, the
    others' seconds are its estimates, if it has any.

    Raises
    ------
    DataFileError
        When the benchmark has no such training.
    """
    outcome = cost.outcome
    seconds = trained["train_seconds"].transpose("arch", "dataset", "epochs")
    datasets, epochs = strings(seconds["dataset"]), seconds["epochs"].to_numpy().tolist()
    if outcome.dataset not in datasets or outcome.epochs not in epochs:
        raise DataFileError(
            f"{path}: train_seconds has no entry for {outcome.label}; make the file again"
        )
    position = datasets.index(outcome.dataset), epochs.index(outcome.epochs)
    chosen: FloatArray = seconds.to_numpy()[:, position[0], position[1]].astype(np.float64)
    if ESTIMATED in trained and outcome.epochs == max(epochs):
        chosen = np.where(np.isnan(chosen), trained[ESTIMATED].to_numpy(), chosen)
    validation = validation_seconds(trained, cost)
    return cost.share * chosen + (0.0 if validation is None else validation)


def validation_seconds(trained: xr.Dataset, cost: TrainingCost) -> FloatArray | None:
    """Return the (arch,) seconds of the validation pass that is charged beside each training.

    None where a search is guided by no validation accuracy, pays for a part of the training only,
    or where the benchmark has not timed the pass of every training that it has timed: charging
    some would make them dearer than others.
    """
    outcome = cost.outcome
    if VALIDATION not in trained or outcome.split != "valid" or cost.share != 1.0:
        return None
    where = {"dataset": outcome.dataset, "epochs": outcome.epochs}
    passes: FloatArray = trained[VALIDATION].sel(where).to_numpy().astype(np.float64)
    timed = trained["train_seconds"].sel(where).notnull().to_numpy() | (ESTIMATED in trained)
    return None if np.isnan(passes[timed]).any() else passes


def accuracy_note(cost: TrainingCost) -> str:
    """Say what guides a search."""
    outcome = cost.outcome
    epochs = (
        "an unstated number of epochs"
        if outcome.epochs == UNSTATED_EPOCHS
        else f"{outcome.epochs} epochs"
    )
    if outcome.split == "valid":
        return f"Guided by the validation accuracy of {outcome.dataset} after {epochs}."
    return (
        f"Guided by the {outcome.split} accuracy of {outcome.dataset} after {epochs}, "
        f"{cost.reason}: the search sees the metric it is judged by, so its results are "
        "optimistic."
    )


def training_note(trained: xr.Dataset, cost: TrainingCost, seconds: FloatArray) -> str:
    """Say what the seconds of the simulated clock are."""
    if np.isnan(seconds).all():
        return "The benchmark has no training times."
    outcome = cost.outcome
    if cost.share < 1:
        part = f"{cost.share * outcome.epochs:g}/{outcome.epochs} of the"
        return (
            f"Training seconds are simulated: {part} {outcome.epochs}-epoch training on "
            f"{outcome.dataset} as the benchmark timed it, {cost.reason}."
            + _estimates_note(trained, cost)
        )
    whole = (
        f"Training seconds are simulated: the whole {outcome.epochs}-epoch training on "
        f"{outcome.dataset} as the benchmark timed it"
    )
    if validation_seconds(trained, cost) is not None:
        validation = " and one pass over the validation images, as the published scripts charge it."
    elif outcome.split == "valid":
        validation = (
            ", without the pass over the validation images that the published scripts charge too: "
            "the benchmark file does not hold its seconds."
        )
    else:
        validation = ", without any evaluation."
    return whole + validation + _estimates_note(trained, cost)


def _estimates_note(trained: xr.Dataset, cost: TrainingCost) -> str:
    if ESTIMATED not in trained:
        return ""
    measured = trained["train_seconds"].sel(
        dataset=cost.outcome.dataset, epochs=cost.outcome.epochs
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
