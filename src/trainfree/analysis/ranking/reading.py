"""Reading the shipped file of scores, from the installed package or from any place."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from trainfree.analysis.ranking.form import KIND, Shipped, shipped_of
from trainfree.files.storage import read_dataset

FOLDER, NAME = "data", "scores-1.h5"
"""Place in the package; the number is the version of the form."""


@cache
def read_shipped() -> Shipped:
    """Return the scores that come with the package.

    Raises
    ------
    DataFileError
        When the file is missing or damaged.
    """
    place = resources.files("trainfree") / FOLDER / NAME
    with resources.as_file(place) as path:
        return read_shipped_file(path)


def read_shipped_file(path: Path) -> Shipped:
    """Return the scores of a file in the same form.

    Raises
    ------
    DataFileError
        When the file is missing, damaged or of another kind.
    """
    return shipped_of(read_dataset(path, KIND), path)
