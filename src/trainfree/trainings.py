"""What is known of trained networks: the trainings on an image set, accuracies, means over seeds.

A benchmark holds accuracy over (arch, dataset, split, epochs, seed), NaN where missing: percent, or
what the coordinate ``metric`` says of a data set whose networks classify nothing.
Which of them a search sees and which one tables report is decided here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

ACCURACY = "accuracy"
"""Name of the signal of a search that trains each architecture it looks at."""
SPLITS = ("valid", "test")
MEAN_SEED = "mean"
"""In the place of a seed: the mean over seeds as the source gives it."""
UNSTATED_EPOCHS, UNSTATED = -1, "?"
"""Of a training whose epochs the source does not state, as a number and as text."""
SEARCH_EPOCHS = 12
"""Epochs of the trainings that a search pays for in NAS-Bench-201."""
EVALUATIONS, TRAINING_SECONDS = "evaluations", "training_seconds"
"""What a budget of a search counts, the attribute ``budget_kind`` of its file."""

TRAININGS: dict[str, tuple[str, ...]] = {
    "cifar10": ("cifar10-valid", "cifar10"),
    "generated": ("cifar10-valid", "cifar10"),
    "cifar100": ("cifar100",),
    "imagenet16-120": ("ImageNet16-120",),
    "imagenet-noise": ("ImageNet-1k",),
    "taskonomy-scene": ("class_scene",),
    "taskonomy-object": ("class_object",),
    "taskonomy-layout": ("room_layout",),
}
"""The benchmark's names of the trainings on an image set; validation is read from the first,
the test accuracy rather from the last. A data set of the user's own has its own name there."""


class Metric(NamedTuple):
    """What the accuracies of a data set measure; more is better in all.

    Attributes
    ----------
    title
        In tables and figures.
    units
        ``%``, or ``1`` for plain numbers.
    low, high
        What they may be.
    """

    title: str
    units: str
    low: float
    high: float

    @property
    def label(self) -> str:
        """Title and unit, for example ``accuracy (%)``."""
        return f"{self.title} (%)" if self.units == "%" else self.title


CORRECT = "accuracy"
METRICS = {
    CORRECT: Metric("accuracy", "%", 0.0, 100.0),
    "mIoU": Metric("mean IoU", "%", 0.0, 100.0),
    "SSIM": Metric("SSIM", "1", -1.0, 1.0),
    "negative_loss": Metric("minus the loss", "1", -1e6, 0.0),
}
"""By the name that a benchmark file has for it: the share of images whose class is found, the mean
intersection over union of segments, the structural similarity of images, minus a loss."""


TASK_METRICS = {
    "room_layout": "negative_loss",
    "segmentsemantic": "mIoU",
    "normal": "SSIM",
    "autoencoder": "SSIM",
}
"""What is measured of those tasks, by the benchmark's name, whose networks classify nothing."""


class Outcome(NamedTuple):
    """One accuracy of a benchmark: trained on ``dataset``, read on ``split`` after ``epochs``."""

    dataset: str
    split: str
    epochs: int

    @property
    def label(self) -> str:
        """Its name in files and tables, for example ``cifar10/test/200``."""
        epochs = UNSTATED if self.epochs == UNSTATED_EPOCHS else str(self.epochs)
        return f"{self.dataset}/{self.split}/{epochs}"

    @property
    def metric(self) -> Metric:
        """What it measures, as far as its data set's name tells."""
        return METRICS[TASK_METRICS.get(self.dataset, CORRECT)]

    @classmethod
    def of_label(cls, label: str) -> Self:
        """Return the outcome of a name as :attr:`label` gives it."""
        dataset, split, epochs = label.split("/")
        return cls(dataset, split, UNSTATED_EPOCHS if epochs == UNSTATED else int(epochs))


def budget_kind(attributes: Mapping[Any, Any]) -> str:
    """Return what the budgets of a search count, from the attributes of its file."""
    return str(attributes.get("budget_kind", EVALUATIONS))


def trainings_on(dataset: str) -> tuple[str, ...]:
    """Return the benchmark's names of the trainings on an image set."""
    return TRAININGS.get(dataset, (dataset,))


def of_trainings(outcomes: Iterable[Outcome], dataset: str) -> list[Outcome]:
    """Return the outcomes of the trainings on an image set, whose names may be in other case."""
    names = [name.lower() for name in trainings_on(dataset)]
    return [outcome for outcome in outcomes if outcome.dataset.lower() in names]


def headline(outcomes: Iterable[Outcome], dataset: str) -> Outcome | None:
    """Choose the accuracy that is reported of an image set, None if there is none.

    Test accuracy after the most epochs, of networks trained on all training images rather than
    on a part; without any, validation accuracy.
    """

    def preference(outcome: Outcome) -> tuple[bool, int, int]:
        return outcome.split == "test", outcome.epochs, _place(outcome, dataset)

    return max(of_trainings(outcomes, dataset), key=preference, default=None)


def guide(outcomes: Iterable[Outcome], dataset: str) -> Outcome | None:
    """Choose the accuracy that a search may see, None if there is none.

    Validation after 12 epochs; failing that, validation at the fewest known epochs, and only then
    a test accuracy.
    """

    def preference(outcome: Outcome) -> tuple[bool, float, int]:
        few_first = math.inf if outcome.epochs == UNSTATED_EPOCHS else outcome.epochs
        at = -1.0 if outcome.epochs == SEARCH_EPOCHS else few_first
        place = _place(outcome, dataset)
        return outcome.split != "valid", at, place if outcome.split == "valid" else -place

    return min(of_trainings(outcomes, dataset), key=preference, default=None)


def longest_validation(outcomes: Iterable[Outcome], dataset: str) -> Outcome | None:
    """Choose the validation accuracy after the most epochs, None if there is none."""
    found = [outcome for outcome in of_trainings(outcomes, dataset) if outcome.split == "valid"]
    return max(found, key=lambda each: (each.epochs, -_place(each, dataset)), default=None)


def metric_of(benchmark: xr.Dataset, dataset: str) -> Metric:
    """Return what the accuracies of a data set measure, by the benchmark's name of it."""
    if "metric" not in benchmark.coords or dataset not in benchmark["dataset"].to_numpy().tolist():
        return METRICS[CORRECT]
    return METRICS[str(benchmark["metric"].sel(dataset=dataset).item())]


def over_seeds(accuracy: xr.DataArray) -> xr.DataArray:
    """Reduce the dimension ``seed``: the source's own mean where it gives one, else ours.

    Ours is the mean over the single trainings that are not missing; NaN where all are.
    """
    ordered = accuracy.transpose(..., "seed")
    values, names = ordered.to_numpy(), ordered["seed"].to_numpy().astype(str)
    single = values[..., names != MEAN_SEED].astype(np.float64)
    count = (~np.isnan(single)).sum(axis=-1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.nansum(single, axis=-1), count, out=mean, where=count > 0)
    for given in np.moveaxis(values[..., names == MEAN_SEED], -1, 0):
        mean = np.where(np.isnan(given), mean, given)
    return ordered.isel(seed=0, drop=True).copy(data=mean)


def accuracies(benchmark: xr.Dataset) -> dict[Outcome, Floats]:
    """Return every (arch,) accuracy that is known for at least one architecture, in percent."""
    accuracy = over_seeds(benchmark["accuracy"]).transpose("arch", "dataset", "split", "epochs")
    values = accuracy.to_numpy()
    columns = ((outcome, values[:, *place]) for place, outcome in _outcomes(accuracy))
    return {outcome: column for outcome, column in columns if not np.isnan(column).all()}


def known_outcomes(benchmark: xr.Dataset) -> list[Outcome]:
    """Return the outcomes for which any architecture has an accuracy."""
    known = benchmark["accuracy"].notnull().any(("arch", "seed"))
    known = known.transpose("dataset", "split", "epochs")
    present = known.to_numpy()
    return [outcome for place, outcome in _outcomes(known) if present[place]]


def column_of(benchmark: xr.Dataset, outcome: Outcome) -> Floats | None:
    """Return one accuracy, (arch,) in percent with NaN for missing; None where nobody has it."""
    for name, wanted in outcome._asdict().items():
        if wanted not in benchmark[name].to_numpy().tolist():
            return None
    column: Floats = over_seeds(benchmark["accuracy"].sel(outcome._asdict())).to_numpy()
    return None if np.isnan(column).all() else column


def _place(outcome: Outcome, dataset: str) -> int:
    return [name.lower() for name in trainings_on(dataset)].index(outcome.dataset.lower())


def _outcomes(values: xr.DataArray) -> Iterator[tuple[tuple[int, int, int], Outcome]]:
    """Yield all combinations of the coordinates and where they are."""
    for i, dataset in enumerate(values["dataset"].to_numpy().tolist()):
        for j, split in enumerate(values["split"].to_numpy().tolist()):
            for k, epochs in enumerate(values["epochs"].to_numpy().tolist()):
                yield (i, j, k), Outcome(str(dataset), str(split), int(epochs))
