"""The architectures that a study was told to score, and what is known of how they were chosen."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

KEYS = ("target", "rule", "accuracy_source", "accuracy_stand_in")


def read_choice(path: Path, space: str, dataset: str) -> xr.Dataset:
    """Return a file of kind "choice".

    Raises
    ------
    DataFileError
        When architectures of another space or data set were chosen, or the file is missing,
        damaged or lacks what it should say of the choice.
    """
    chosen = read_dataset(path, "choice", {"space": space, "dataset": dataset})
    missing = [key for key in KEYS if key not in chosen.attrs]
    if missing:
        raise DataFileError(f"{path}: lacks the attribute {', '.join(missing)}; make it again")
    return chosen


def choice_attributes(chosen: xr.Dataset) -> dict[str, str | int]:
    """Return what a file of scores says of the choice and of the accuracies behind it."""
    told = chosen.attrs
    return {
        "target": str(told["target"]),
        "chosen": str(told["rule"]),
        "accuracy_source": str(told["accuracy_source"]),
        "accuracy_stand_in": int(told["accuracy_stand_in"]),
    }
