"""What came of ENAS for convolutional cells: the derived pair beside pairs drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.data_line import is_stand_in
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import (
    count,
    count_of,
    duration,
    number,
    plain,
    spread,
)
from trainfree.analysis.inputs import DATASET_TITLES, Floats, floats, texts
from trainfree.analysis.origins import MadeFrom, data_files
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

DERIVED = "derived"
TITLE = "Accuracy of the convolutional cells that ENAS derived, percent"


@table(
    title=TITLE,
    columns=(
        *text("dataset", "scale", "network", "cells"),
        *numbers("networks", "shared_accuracy", "shared_std", "validation_accuracy"),
        *numbers("validation_std", "test_accuracy", "test_std", "parameters", "epochs", "seconds"),
        *numbers("chance"),
    ),
    shown={
        "Data set": lambda row: DATASET_TITLES.get(row["dataset"], row["dataset"]),
        "Scale": plain("scale"),
        "Network": plain("network"),
        "Pairs": count("networks"),
        "Shared weights": spread("shared_accuracy", "shared_std"),
        "Validation, alone": spread("validation_accuracy", "validation_std"),
        "Test, alone": spread("test_accuracy", "test_std"),
        "Parameters": count("parameters"),
        "Epochs": count("epochs"),
        "Seconds": duration("seconds"),
        "Cells": plain("cells"),
    },
    once=("Data set", "Scale"),
    reads=("enas_convolutional",),
    target="enas_convolutional",
    section="search",
    rank=41,
    memory_mb=1000,
)
def enas_convolutional(inputs: Inputs) -> Made:
    """Return a row for chance, for the search, for the derived pair, and for random pairs.

    Raises
    ------
    DataFileError
        When the file is missing or damaged.
    """
    found = read_search(inputs.file("enas_convolutional"))
    made_from = MadeFrom(told(found), data_files([found.attrs]))
    return Made(list(_rows(found)), made_from, title=f"{TITLE}. {verdict(found)}")


def read_search(path: Path) -> xr.Dataset:
    """Read the file of a search.

    Raises
    ------
    DataFileError
        When it is missing or damaged, or its first network is not the derived one.
    """
    found = read_dataset(path, "enas_convolutional")
    origins = texts(found["origin"])
    if len(origins) < 2 or origins[0] != DERIVED:
        raise DataFileError(
            f"{path}: expected the derived network first, then random ones, found "
            f"{', '.join(origins) or 'none'}; run the target enas_convolutional again"
        )
    return found


def told(found: xr.Dataset) -> str:
    """Say what a search was made with."""
    attributes = found.attrs
    name = str(attributes["dataset"])
    mark = ", stand-in" if is_stand_in(attributes) else ""
    held = " of the training images, held out," if int(attributes["tests_held_out"]) else ""
    return (
        f"{DATASET_TITLES.get(name, name)}{mark}: {_images(found, 'weights')} images for weights, "
        f"{_images(found, 'rewards')} for rewards and validation, {_images(found, 'tests')}{held} "
        f"for tests; root seed {attributes['seed']}; {attributes['scale']}"
    )


def verdict(found: xr.Dataset) -> str:
    """Return in a sentence whether the derived pair is better than the mean of random ones."""
    accuracy = floats(found["test_accuracy"])
    own, others = float(accuracy[0]), accuracy[1:]
    mean, better = float(others.mean()), int((others > own).sum())
    says = "beats" if own > mean else "does not beat"
    return (
        f"Trained alone, the derived pair {says} the mean of {count_of(len(others), 'random pair')}"
        f" under the same budget: {number(own)} against {number(mean)} % of test images; "
        f"{number(better, 0)} of them {'is' if better == 1 else 'are'} better"
    )


def _images(found: xr.Dataset, kind: str) -> str:
    return number(float(found.attrs[f"images_for_{kind}"]), 0)


def _rows(found: xr.Dataset) -> Iterator[dict[str, Any]]:
    name = {"dataset": str(found.attrs["dataset"]), "scale": str(found.attrs["scale"])}
    chance = float(found.attrs["chance"])
    name["chance"] = chance  # type: ignore[assignment]
    yield {**name, "network": "chance", "shared_accuracy": chance, "test_accuracy": chance}
    sampled = floats(found["sampled_accuracy"])[-1]
    yield {
        **name,
        "network": "pairs that the controller samples after the last epoch",
        "networks": len(sampled),
        **_spread("shared", sampled),
        "epochs": found.sizes["epoch"],
        "seconds": float(found["seconds"].sum()) + float(found.attrs["derive_seconds"]),
    }
    every = np.arange(found.sizes["network"])
    yield {**name, "network": "derived pair", **_of(found, every[:1])}
    yield {**name, "network": "random pairs, mean", **_of(found, every[1:]), "cells": ""}
    for place in every[1:]:
        yield {**name, "network": f"random pair {place}", **_of(found, every[place : place + 1])}


def _of(found: xr.Dataset, places: Any) -> dict[str, Any]:
    """Return means over networks; seconds are of one."""
    chosen = found.isel(network=places)
    return {
        "networks": len(places),
        "cells": texts(chosen["cells"])[0] if len(places) == 1 else "",
        **_spread("shared", floats(chosen["shared_accuracy"])),
        **_spread("validation", floats(chosen["validation_accuracy"])),
        **_spread("test", floats(chosen["test_accuracy"])),
        "parameters": float(chosen["parameters"].mean()),
        "epochs": chosen.sizes["alone_epoch"],
        "seconds": float(chosen["alone_seconds"].sum("alone_epoch").mean()),
    }


def _spread(name: str, values: Floats) -> dict[str, float]:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return {f"{name}_accuracy": float(values.mean()), f"{name}_std": deviation}
