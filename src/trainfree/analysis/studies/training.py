"""How a score moves while networks learn, and whether it still ranks them by final accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, number, spread
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.origins import MadeFrom, data_files
from trainfree.analysis.studies.ablation import kendall, study_note
from trainfree.analysis.tables import names_of, numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = (
    *text("space", "dataset"),
    *numbers("epoch", "rows", "score_mean", "score_std", "change_mean", "change_low"),
    *numbers("change_high", "tau_accuracy", "tau_start", "loss", "training_accuracy"),
    *numbers("seconds"),
    *text("target", "note"),
)


@table(
    title="NASWOT score of architectures after each epoch",
    columns=COLUMNS,
    shown={
        "epoch": count("epoch"),
        "score ± std over architectures": spread("score_mean", "score_std", 1),
        "mean change": decimal("change_mean", 1),
        "lowest to highest": lambda row: (
            f"{number(row['change_low'], 1)} to {number(row['change_high'], 1)}"
        ),
        "τ with accuracy": decimal("tau_accuracy"),
        "τ with epoch 0": decimal("tau_start"),
        "training loss": decimal("loss"),
        "training accuracy (%)": decimal("training_accuracy", 1),
    },
    reads=("training",),
    target="training",
    section="steadiness",
    rank=2,
    memory_mb=1000,
)
def training(inputs: Inputs) -> Made:
    """Return a row for each epoch.

    Behind the summary of each epoch stands a column with the score of each architecture, named by
    its index.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the files are not of one study.
    """
    study = read_training(inputs.training)
    score, accuracy = finite_by_epoch(study), floats(study["accuracy"])
    rows = [_row(study, score, accuracy, place) for place in range(len(score))]
    by_architecture = pd.DataFrame(
        score, columns=[f"score_{arch}" for arch in study["arch"].to_numpy().tolist()]
    )
    frame = pd.concat([pd.DataFrame(rows, columns=names_of(COLUMNS)), by_architecture], axis=1)
    made_from = MadeFrom(training_note(study).rstrip("."), data_files([study.attrs]))
    return Made(frame, made_from, _title(study))


def read_training(paths: Sequence[Path]) -> xr.Dataset:
    """Return the records of all architectures, in the order of the files.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the files differ in setting, code or images, or have
        an architecture in common.
    """
    parts = [read_dataset(path, "training") for path in paths]
    if not parts:
        raise DataFileError("expected files of kind training, found none; run the target training")
    for key in ("config_hash", "code_hash", "source_hashes"):
        for part, path in zip(parts, paths, strict=True):
            if part.attrs[key] != parts[0].attrs[key]:
                raise DataFileError(
                    f"{path}: expected {key} = {parts[0].attrs[key]!r} as in {paths[0]}, found "
                    f"{part.attrs[key]!r}; delete it and run again to train it again"
                )
    free = [part.assign_coords(architecture=part["architecture"].astype(object)) for part in parts]
    import xarray as xr  # slow to import, and the workflow reads this file

    study = xr.concat(free, dim="arch", combine_attrs="drop_conflicts")
    if len(set(study["arch"].to_numpy().tolist())) != study.sizes["arch"]:
        raise DataFileError(f"{paths[0]}: an architecture is in two of these files")
    return study


def finite_by_epoch(study: xr.Dataset) -> Floats:
    """Return the scores, (epoch, arch); NaN where there is no finite one."""
    score = floats(study["score"].transpose("epoch", "arch"))
    score[~np.isfinite(score)] = np.nan
    return score


def training_note(study: xr.Dataset) -> str:
    """Say what a study of training was measured with."""
    attributes = study.attrs
    return (
        f"{study_note(study)} Plain SGD on {number(attributes['training_images'], 0)} images, "
        f"batch {attributes['training_batch_size']}, rate {attributes['learning_rate']:g}, "
        f"{study.sizes['epoch'] - 1} epochs; scored on {attributes['batch_size']} of the images."
    )


def _row(study: xr.Dataset, score: Floats, accuracy: Floats, place: int) -> dict[str, Any]:
    now = pd.Series(score[place])
    change = now - score[0]
    at_epoch = study.isel(epoch=place)
    return {
        **{key: study.attrs[key] for key in ("space", "dataset", "target")},
        "epoch": int(at_epoch["epoch"]),
        "rows": int(now.notna().sum()),
        "score_mean": now.mean(),
        "score_std": now.std(ddof=1),
        "change_mean": change.mean(),
        "change_low": change.min(),
        "change_high": change.max(),
        "tau_accuracy": kendall(score[place], accuracy),
        "tau_start": kendall(score[place], score[0]),
        "loss": _mean(at_epoch["loss"]),
        "training_accuracy": _mean(at_epoch["training_accuracy"]),
        "seconds": _mean(at_epoch["seconds"]),
        "note": training_note(study),
    }


def _mean(values: xr.DataArray) -> float:
    return float(pd.Series(floats(values)).mean())


def _title(study: xr.Dataset) -> str:
    count, outcome = len(texts(study["architecture"])), outcome_title(study.attrs["target"])
    return (
        f"NASWOT score of {count} architectures after each epoch; Kendall's τ-b with {outcome} "
        "accuracy and with the score at initialisation"
    )
