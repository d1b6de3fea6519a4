"""What each method of weight sharing would answer after every epoch, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, duration, measured, plain, shown_as
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.papers.sharing import Trained, Trainings, seconds_so_far, skips_and_nones
from trainfree.analysis.studies.sharing_ranks import trainings_in
from trainfree.analysis.tables import numbers, text

if TYPE_CHECKING:
    import xarray as xr

SKIP = "skip_connect"
MOST_SHOWN = 10
"""Epochs of a run in the readable version, about evenly apart; the CSV file has all."""
BY_EPOCH = (
    *("validation_accuracy", "choice_accuracy", "training_loss", "training_accuracy"),
    *("architecture_loss", "architecture_accuracy"),
)


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    pairs = zip(frame["epoch"], frame["epochs"], strict=True)
    return _SHOWN(frame[[_is_shown(epoch, epochs) for epoch, epochs in pairs]])


def _is_shown(epoch: int, epochs: int) -> bool:
    """Whether an epoch is in the readable version: the first, the last, and some between."""
    if epochs <= MOST_SHOWN:
        return True
    chosen = np.linspace(1, epochs, MOST_SHOWN).round()
    return bool(np.isin(epoch, chosen))


_SHOWN = shown_as(
    {
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Method": plain("method"),
        "Run": count("run"),
        "Epoch": count("epoch"),
        "Choice": plain("choice"),
        "Trained alone (%)": measured("trained_accuracy"),
        "Skip connections": count("skip_connections"),
        "Probability of skip": decimal("skip_probability", 3),
        "Right in validation (%)": decimal("validation_accuracy", 1),
        "So far (s)": duration("seconds"),
        "Preset": plain("preset"),
        "Scale": plain("scale"),
    }
)


@table(
    title="Weight sharing, epoch by epoch: what each run would answer, what that reaches when it "
    "is trained alone, and how much of it are skip connections (of 6 edges); some epochs of each "
    "run, all are in the CSV file",
    columns=(
        *text("space", "dataset", "outcome", "method", "preset", "scale"),
        *numbers("run", "epoch", "epochs", "arch"),
        *text("choice"),
        *numbers("trained_accuracy", "skip_connections", "none", "skip_probability"),
        *numbers(*BY_EPOCH, "chance", "seconds"),
        *text("note"),
    ),
    shown=_readable,
    once=("Data set", "Accuracy", "Preset", "Scale"),
    reads=("shared", "benchmark"),
    target="weight_sharing",
    section="search",
    rank=32,
)
def weight_sharing_epochs(inputs: Inputs) -> Made:
    """Return a row for each method, run and epoch; epochs count from 1, runs from 0.

    ``seconds`` are what the search has cost until then: its steps, without what is only measured
    beside it.

    Raises
    ------
    DataFileError
        When there is no file, or one is damaged or of another space.
    """
    found = trainings_in(inputs)
    trained = Trained(inputs.run.benchmark)
    rows: list[dict[str, Any]] = []
    for trainings in found:
        outcome = inputs.run.headline(str(trainings.attributes["dataset"]))
        for file in trainings.files:
            rows += _rows(trainings, file, trained, outcome)
    files = [file for trainings in found for file in trainings.files]
    return Made(rows, data_line([*files, inputs.run.benchmark]))


def _rows(
    trainings: Trainings, file: xr.Dataset, trained: Trained, outcome: str
) -> Iterator[dict[str, Any]]:
    choices = file["choice"].to_numpy().tolist()
    names, accuracy = trained.names(choices), trained.accuracy(outcome, choices)
    by_epoch = {name: floats(file[name]) for name in BY_EPOCH}
    by_epoch |= {"skip_probability": _skip_probability(file), "seconds": seconds_so_far(file)}
    attributes = trainings.attributes
    common = {key: attributes[key] for key in ("space", "dataset", "preset", "scale", "chance")}
    common |= {
        "outcome": outcome,
        "method": trainings.title,
        "run": int(file.attrs["run"]),
        "epochs": len(choices),
        "note": f"stand-in images: {trainings.stand_in}" if trainings.stand_in else "",
    }
    for place, (arch, name) in enumerate(zip(choices, names, strict=True)):
        skips, nones = skips_and_nones(name)
        yield {
            **common,
            "epoch": place + 1,
            "arch": arch,
            "choice": name,
            "trained_accuracy": float(accuracy[place]),
            "skip_connections": skips,
            "none": nones,
            **{key: float(values[place]) for key, values in by_epoch.items()},
        }


def _skip_probability(file: xr.Dataset) -> Floats:
    """Return the probability of a skip connection after each epoch, mean over the edges."""
    if SKIP not in texts(file["operation"]):
        return np.full(file.sizes["epoch"], np.nan)
    return floats(file["probability"].sel(operation=SKIP).mean("edge"))
