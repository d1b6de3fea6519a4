"""What came of ENAS for recurrent cells: perplexities beside random cells and n-gram models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, count_of, decimal, duration, number, plain
from trainfree.analysis.inputs import floats, texts
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

DERIVED = "derived"
TITLE = "Perplexity of a text under the recurrent cell that ENAS derived, lower is better"


class Enas(NamedTuple):
    """A search, and its cells trained alone: the derived one, and random ones."""

    search: xr.Dataset
    derived: xr.Dataset
    randoms: Sequence[xr.Dataset]


@table(
    title=TITLE,
    columns=(
        *text("text", "model", "cell"),
        *numbers("valid_perplexity", "test_perplexity", "valid_std", "test_std"),
        *numbers("cells", "parameters", "epochs", "seconds"),
    ),
    shown={
        "Text": plain("text"),
        "Model": plain("model"),
        "Valid": decimal("valid_perplexity"),
        "Test": decimal("test_perplexity"),
        "± valid": decimal("valid_std"),
        "± test": decimal("test_std"),
        "Cells": count("cells"),
        "Parameters": count("parameters"),
        "Epochs": count("epochs"),
        "Seconds": duration("seconds"),
        "Cell": plain("cell"),
    },
    once=("Text",),
    reads=("enas", "enas_cells"),
    target="enas",
    section="search",
    rank=40,
    memory_mb=1000,
)
def enas(inputs: Inputs) -> Made:
    """Return a row for each n-gram model, for shared weights, and for cells trained alone.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the files are not of one search.
    """
    found = read_enas(inputs.file("enas"), inputs.some("enas_cells"))
    made_from = data_line([found.search, found.derived, *found.randoms])
    return Made(list(_rows(found)), made_from, title=f"{TITLE}. {verdict(found)}")


def read_enas(search: Path, cells: Sequence[Path]) -> Enas:
    """Read a search and its cells trained alone.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, a cell is of another search, or the derived cell or all
        random ones are missing.
    """
    found = read_dataset(search, "enas")
    trained: dict[str, xr.Dataset] = {}
    for path in cells:
        file = read_dataset(path, "enas_training")
        if file.attrs["search"] != found.attrs["config_hash"]:
            raise DataFileError(
                f"{path}: is a cell of another search than {search}: expected "
                f"{found.attrs['config_hash']}, found {file.attrs['search']}; train it again"
            )
        trained[str(file.attrs["place"])] = file
    randoms = [file for place, file in trained.items() if place != DERIVED]
    if DERIVED not in trained or not randoms:
        raise DataFileError(
            f"{search}: expected its derived cell and a random one, trained, found "
            f"{', '.join(trained) or 'none'}; run the target enas"
        )
    return Enas(found, trained[DERIVED], randoms)


def verdict(found: Enas) -> str:
    """Return in a sentence whether the derived cell is better than the mean of random ones."""
    own, others = _test(found.derived), np.array([_test(file) for file in found.randoms])
    mean, better = float(others.mean()), int((others < own).sum())
    says = "beats" if own < mean else "does not beat"
    return (
        f"Trained alone, the derived cell {says} the mean of {count_of(len(others), 'random cell')}"
        f" under the same budget: {number(own)} against {number(mean)} on the test text; "
        f"{number(better, 0)} of them {'is' if better == 1 else 'are'} better"
    )


def best_valid(file: xr.Dataset) -> float:
    """Return the best perplexity on the valid text of a cell trained alone."""
    return float(floats(file["valid_perplexity"]).min())


def _test(file: xr.Dataset) -> float:
    return float(file["test_perplexity"])


def _rows(found: Enas) -> Iterator[dict[str, Any]]:
    search = found.search
    name = {"text": str(search.attrs["text"])}
    for model in texts(search["model"]):
        valid, test = (
            float(search["ngram_perplexity"].sel(model=model, part=part))
            for part in ("valid", "test")
        )
        yield {**name, "model": model, "valid_perplexity": valid, "test_perplexity": test}
    chosen = int(search["chosen"])
    yield {
        **name,
        "model": "shared weights, best of the controller",
        "cell": texts(search["candidate_cell"])[chosen],
        "valid_perplexity": float(search["candidate_perplexity"][chosen]),
        "cells": search.sizes["candidate"],
        "parameters": search.attrs["parameters"],
        "epochs": search.sizes["epoch"],
        "seconds": float(search["seconds"].sum() + search["candidate_seconds"]),
    }
    yield {**name, "model": "derived cell, alone", **_of_cells([found.derived])}
    yield {**name, "model": "random cells, alone, mean", **_of_cells(found.randoms)}
    best = min(found.randoms, key=best_valid)
    yield {**name, "model": "random cells, alone, best on valid", **_of_cells([best])}


def _of_cells(files: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return means over cells trained alone; seconds are of one."""
    valid, test = [best_valid(file) for file in files], [_test(file) for file in files]
    several = len(files) > 1
    return {
        "cell": "" if several else str(files[0]["cell"].item()),
        "valid_perplexity": float(np.mean(valid)),
        "test_perplexity": float(np.mean(test)),
        "valid_std": float(np.std(valid, ddof=1)) if several else None,
        "test_std": float(np.std(test, ddof=1)) if several else None,
        "cells": len(files),
        "parameters": float(np.mean([file.attrs["parameters"] for file in files])),
        "epochs": files[0].sizes["epoch"],
        "seconds": float(np.mean([float(file["seconds"].sum()) for file in files])),
    }
