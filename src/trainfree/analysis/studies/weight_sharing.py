"""What methods of weight sharing answer, what that is worth, and how their weights were trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import (
    Cell,
    Row,
    count,
    decimal,
    interval,
    number,
    plain,
    seconds,
    shown_as,
    spread,
    with_spread,
)
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.papers.sharing import Trained, Trainings, skips_and_nones
from trainfree.analysis.run_files import AbsentError
from trainfree.analysis.studies.sharing_ranks import (
    AGREEMENT,
    mean_and_std,
    mean_ranking_seconds,
    shared_agreement,
    trainings_in,
)
from trainfree.analysis.tables import names_of, numbers, text

BEST, MEAN = "best of the space", "mean of the space"
ACCURACY, DEVIATION = "accuracy ", "accuracy_std "
KINDS = (ACCURACY, DEVIATION)
"""Columns of an outcome begin like that; its name follows, ``<data set>/<split>/<epochs>``."""
COLUMNS = (
    *text("space", "dataset", "method", "preset", "scale", "published", "outcome"),
    *numbers("runs", "epochs", "training_loss", "training_accuracy"),
    *numbers("validation_accuracy", "validation_accuracy_std", "chance", "answer_accuracy"),
    *numbers("search_seconds", "search_seconds_std", "ranking_seconds", *AGREEMENT),
    *numbers("skip_connections", "none"),
    *text("validated", "note"),
)


def _validation(row: Row) -> str:
    shown = with_spread(row["validation_accuracy"], row["validation_accuracy_std"])
    return f"{shown} (chance {number(row['chance'], 1)})" if row["runs"] > 0 else "–"


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: accuracies of the answers first, one column an outcome."""
    outcomes = [str(name).removeprefix(ACCURACY) for name in frame if ACCURACY in str(name)]
    cells: dict[str, Cell] = {
        "Data set": plain("dataset"),
        "Method": plain("method"),
        "Runs": count("runs"),
    }
    for name in outcomes:
        cells[f"{outcome_title(name)} (%)"] = spread(ACCURACY + name, DEVIATION + name)
    cells |= {
        "Search (s)": lambda row: with_spread_of_seconds(
            row["search_seconds"], row["search_seconds_std"]
        ),
        "Epochs": count("epochs"),
        "Loss": decimal("training_loss"),
        "Right in training (%)": decimal("training_accuracy", 1),
        "Right in validation (%)": _validation,
        "Ranked": count("ranked"),
        "Kendall τ-b": interval("kendall"),
        "Spearman ρ": interval("spearman"),
        "Skip connections": decimal("skip_connections", 1),
        "Without operation": decimal("none", 1),
        "Preset": plain("preset"),
        "Scale": plain("scale"),
    }
    return shown_as(cells)(frame)


def with_spread_of_seconds(mean: float, deviation: float) -> str:
    """Return seconds ± their deviation, the mean alone where there is none."""
    shown = seconds(mean)
    return shown if np.isnan(deviation) else f"{shown} ± {seconds(deviation)}"


@table(
    title="Weight sharing: accuracy of the answers trained alone (mean ± standard deviation over "
    "runs), end of the shared weights' training, and how shared accuracy ranks architectures "
    "drawn uniformly (τ-b and ρ with the headline accuracy, mean over runs, 95 % bootstrap over "
    "architectures)",
    columns=COLUMNS,
    shown=_readable,
    once=("Data set",),
    reads=("shared", "benchmark", "published"),
    settings=RESAMPLING,
    target="weight_sharing",
    section="search",
    rank=30,
)
def weight_sharing(inputs: Inputs) -> Made:
    """Return a row for each method and setting, and the best and the mean of the space.

    Behind the columns of every such table stand two for each accuracy that the papers print of
    such methods, as far as the benchmark has it: mean and deviation over runs.

    Raises
    ------
    DataFileError
        When there is no file, or one is damaged or of another space.
    """
    found = trainings_in(inputs)
    trained = Trained(inputs.run.benchmark)
    rows: list[dict[str, Any]] = []
    places = dict.fromkeys(_place(trainings) for trainings in found)
    outcomes = {dataset: _outcomes(inputs, dataset) for _, dataset in places}
    for place in places:
        own = [trainings for trainings in found if _place(trainings) == place]
        rows += [_row(inputs, trainings, trained, outcomes[place[1]]) for trainings in own]
        rows += _references(place, trained, outcomes[place[1]])
    every = dict.fromkeys(name for names in outcomes.values() for name in names)
    columns = [*names_of(COLUMNS), *(kind + name for name in every for kind in KINDS)]
    files = [file for trainings in found for file in trainings.files]
    frame = pd.DataFrame(rows, columns=columns)
    return Made(frame, data_line([*files, inputs.run.benchmark]))


def _place(trainings: Trainings) -> tuple[str, str]:
    return str(trainings.attributes["space"]), str(trainings.attributes["dataset"])


def _outcomes(inputs: Inputs, dataset: str) -> list[str]:
    """Return the accuracies that papers print of such methods, then the headline if it is none."""
    printed = [
        measure.outcome
        for paper in inputs.papers
        for _, measure in paper.pairs()
        if (measure.kind, measure.quantity, measure.dataset) == ("shared", "accuracy", dataset)
    ]
    found = []
    for name in dict.fromkeys([*printed, inputs.run.headline(dataset)]):
        try:
            inputs.run.accuracy(name)
        except AbsentError:
            continue
        found.append(name)
    return found


def _row(
    inputs: Inputs, trainings: Trainings, trained: Trained, outcomes: Sequence[str]
) -> dict[str, Any]:
    attributes, answers = trainings.attributes, trainings.each("answer")
    outcome = inputs.run.headline(str(attributes["dataset"]))
    validation, between = mean_and_std(trainings.last("validation_accuracy"))
    spent, spent_between = mean_and_std(trainings.each("search_seconds"))
    reached = [mean_and_std(trained.accuracy(name, answers)) for name in outcomes]
    edges = np.array([skips_and_nones(name) for name in trained.names(answers)])
    return {
        **{key: attributes[key] for key in ("space", "dataset", "preset", "scale", "validated")},
        "method": trainings.title,
        "published": "yes" if trainings.is_published else "no",
        "outcome": outcome,
        "runs": len(trainings.files),
        "epochs": trainings.files[0].sizes["epoch"],
        "training_loss": mean_and_std(trainings.last("training_loss"))[0],
        "training_accuracy": mean_and_std(trainings.last("training_accuracy"))[0],
        "validation_accuracy": validation,
        "validation_accuracy_std": between,
        "chance": attributes["chance"],
        "answer_accuracy": mean_and_std(trainings.each("answer_accuracy"))[0],
        "search_seconds": spent,
        "search_seconds_std": spent_between,
        "ranking_seconds": mean_ranking_seconds(trainings),
        **shared_agreement(trainings, trained, outcome, inputs.settings),
        "skip_connections": mean_and_std(edges[:, 0])[0],
        "none": mean_and_std(edges[:, 1])[0],
        "note": f"stand-in images: {trainings.stand_in}" if trainings.stand_in else "",
        **_accuracies(outcomes, reached),
    }


def _references(
    place: tuple[str, str], trained: Trained, outcomes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the best of the space, each accuracy by itself, and its mean."""
    known = [trained.all_accuracies(name) for name in outcomes]
    common = {"space": place[0], "dataset": place[1]}
    common |= dict.fromkeys(("preset", "scale", "published", "outcome", "validated", "note"), "")
    best = [(float(values.max()), np.nan) for values in known]
    mean = [(float(values.mean()), float(values.std())) for values in known]
    yield {**common, "method": BEST, **_accuracies(outcomes, best)}
    yield {**common, "method": MEAN, **_accuracies(outcomes, mean)}


def _accuracies(outcomes: Sequence[str], values: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {
        kind + name: value
        for name, pair in zip(outcomes, values, strict=True)
        for kind, value in zip(KINDS, pair, strict=True)
    }
