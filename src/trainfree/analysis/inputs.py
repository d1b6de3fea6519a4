"""What the tables read: scores by status, and trained accuracies as targets.

Nothing of the other rooms is imported; the files' own attributes and flag meanings are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.trainings import (
    CORRECT,
    METRICS,
    SEARCH_EPOCHS,
    TASK_METRICS,
    UNSTATED,
    Metric,
    Outcome,
    column_of,
    guide,
    headline,
    known_outcomes,
    trainings_on,
)

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

USABLE_STATUSES = ("ok", "singular")
DATASET_TITLES = {
    "cifar10": "CIFAR-10",
    "cifar10-valid": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet16-120": "ImageNet16-120",
    "generated": "generated images",
    "class_scene": "scene classes",
    "class_object": "object classes",
    "room_layout": "room layout",
    "segmentsemantic": "semantic segmentation",
    "normal": "surface normals",
    "autoencoder": "autoencoder",
    "taskonomy-scene": "scene classes (64 pixels)",
    "taskonomy-object": "object classes (64 pixels)",
    "taskonomy-layout": "room layout (64 pixels)",
}


@dataclass(frozen=True)
class Target:
    """Trained accuracies that scores are compared with.

    Attributes
    ----------
    name
        ``<dataset>/<split>/<epochs>`` as in search files, ``?`` for epochs that are not stated.
    accuracy
        Percent, NaN where missing; one for each entry of ``architectures``.
    """

    name: str
    accuracy: pd.Series


def outcome_title(outcome: str) -> str:
    """Return a readable name of ``dataset/split/epochs``."""
    dataset, split, epochs = (*outcome.split("/"), "", "")[:3]
    when = "" if epochs in (UNSTATED, "") else f", {epochs} epochs"
    splits = {"valid": "validation", "test": "test"}
    return f"{DATASET_TITLES.get(dataset.lower(), dataset)} {splits.get(split, split)}{when}"


def metric_of_title(title: str) -> Metric:
    """Return what an outcome measures, from what :func:`outcome_title` makes of its name."""
    found = (task for task in TASK_METRICS if title.startswith(DATASET_TITLES[task]))
    return METRICS[TASK_METRICS.get(next(found, ""), CORRECT)]


def texts(coordinate: xr.DataArray) -> list[str]:
    """Return the entries of a coordinate as Python strings."""
    return [str(entry) for entry in coordinate.to_numpy().tolist()]


def floats(values: xr.DataArray) -> Floats:
    """Return the values as float64."""
    return values.to_numpy().astype(np.float64)


def read_benchmark(path: Path) -> xr.Dataset:
    """Read a benchmark file; accuracies are then taken from it with :func:`targets`."""
    return read_dataset(path, "benchmark")


def targets(benchmark: xr.Dataset, dataset: str, origin: Path) -> list[Target]:
    """Return the accuracies that the scores on an image set are compared with.

    The first one is the headline: test accuracy at the most epochs for which there is any, or
    validation accuracy where there is no test accuracy. The validation accuracy after 12 epochs
    follows where the benchmark has it.

    Raises
    ------
    DataFileError
        When the benchmark has no accuracy for the data set.
    """
    known = known_outcomes(benchmark)
    reported = headline(known, dataset)
    if reported is None:
        names = ", ".join(texts(benchmark["dataset"]))
        raise DataFileError(
            f"{origin}: expected accuracies of {trainings_on(dataset)[-1]!r} to compare the "
            f"scores on {dataset!r} with, found data sets {names} and no such values; "
            "choose another data set or another benchmark source"
        )
    seen = guide(known, dataset)
    chosen = [reported]
    if (
        seen is not None
        and seen != reported
        and (seen.split, seen.epochs) == ("valid", SEARCH_EPOCHS)
    ):
        chosen.append(seen)
    found = (target_of(benchmark, outcome) for outcome in chosen)
    return [target for target in found if target is not None]


def target_of(benchmark: xr.Dataset, outcome: Outcome) -> Target | None:
    """Return one accuracy: the mean over seeds as the source gives it, else that of the seeds.

    None where the benchmark has no such value.
    """
    accuracy = column_of(benchmark, outcome)
    if accuracy is None:
        return None
    index = pd.Index(texts(benchmark["architecture"]), name="architecture")
    return Target(outcome.label, pd.Series(accuracy, index=index))


def read_scores(path: Path) -> xr.Dataset:
    """Read a scores file and check that each architecture stands in it once."""
    scores = read_dataset(path, "scores")
    names = pd.Index(texts(scores["architecture"]))
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise DataFileError(f"{path}: architecture {twice} occurs in it twice; merge it again")
    return scores


def score_settings(scores: xr.Dataset, path: Path) -> dict[str, str]:
    """Return space, data set and setting of a scores file, from its attributes."""
    missing = [key for key in ("space", "dataset", "setting") if key not in scores.attrs]
    if missing:
        raise DataFileError(
            f"{path}: lacks the attribute {', '.join(missing)}; it was not written by "
            "'trainfree merge-scores', make it again"
        )
    return {key: str(scores.attrs[key]) for key in ("space", "dataset", "setting")}


def stand_in_of(attributes: Mapping[Any, Any]) -> str:
    """Return what stands in for the images of a file; empty for real ones."""
    if not int(attributes.get("stand_in", 0)):
        return ""
    return str(attributes.get("image_source", "stand-in images"))


def computed_on(scores: xr.Dataset) -> dict[str, str]:
    """Return for each proxy the input and weights it had, empty where they are the setting's.

    For example ``gaussian input, kaiming weights``. Files from before proxies could have their own
    say nothing of them.
    """
    found = dict.fromkeys(texts(scores["proxy"]), "")
    for name, usual, word in (
        ("proxy_input", "input", "input"),
        ("proxy_weights", "initialization", "weights"),
    ):
        if name not in scores.coords:
            continue
        for proxy, kind in zip(found, texts(scores[name]), strict=True):
            if kind != scores.attrs[usual]:
                found[proxy] += f"{', ' if found[proxy] else ''}{kind} {word}"
    return found


def status_names(scores: xr.Dataset, proxy: str) -> NDArray[np.str_]:
    """Return the status of each architecture as a word, shape (arch,)."""
    flags = scores["status"].attrs
    meanings = str(flags["flag_meanings"]).split()
    words = dict(zip(np.atleast_1d(flags["flag_values"]).tolist(), meanings, strict=True))
    codes = scores["status"].sel(proxy=proxy).to_numpy().tolist()
    return np.array([words.get(code, f"status {code}") for code in codes], dtype=np.str_)


def accuracy_of(
    target: Target, scores: xr.Dataset, scores_path: Path, benchmark_path: Path
) -> Floats:
    """Return the target accuracy of each scored architecture; NaN where the benchmark has none.

    Raises
    ------
    DataFileError
        When no architecture of the scores stands in the benchmark: another space's file.
    """
    names = texts(scores["architecture"])
    if not pd.Index(names).isin(target.accuracy.index).any():
        raise DataFileError(
            f"{benchmark_path}: none of the {len(names)} architectures of {scores_path} is in "
            f"it (the first is {names[0] if len(names) else '-'}); it is of another space"
        )
    return target.accuracy.reindex(names).to_numpy(dtype=float)


def value_counts(words: Sequence[str] | NDArray[np.str_]) -> str:
    """Return ``"201 singular; 3 error"``, most frequent first; empty when there are none."""
    unique, counts = np.unique(np.asarray(words, dtype=np.str_), return_counts=True)
    pairs = sorted(zip(unique.tolist(), counts.tolist(), strict=True), key=lambda p: (-p[1], p[0]))
    return "; ".join(f"{count} {word}" for word, count in pairs)
