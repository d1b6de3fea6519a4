"""Reading a benchmark file, and the questions asked of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from trainfree.errors import UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.trainings import Outcome, column_of, known_outcomes


def load_benchmark(path: Path) -> xr.Dataset:
    """Return a benchmark file's content; raises DataFileError as :func:`read_dataset` does."""
    return read_dataset(path, "benchmark")


def accuracy_column(
    benchmark: xr.Dataset, dataset: str, split: str, epochs: int
) -> npt.NDArray[np.float64]:
    """Return one accuracy an architecture, in percent, NaN where there is none.

    The source's own mean over seeds where it gives one, otherwise the mean over the single
    trainings there are.

    Raises
    ------
    UnknownNameError
        When the benchmark has no accuracy of this kind; lists those it has.
    """
    column = column_of(benchmark, Outcome(dataset, split, epochs))
    if column is None:
        names = ["/".join(map(str, known)) for known in known_outcomes(benchmark)]
        raise UnknownNameError("benchmark outcome", f"{dataset}/{split}/{epochs}", names)
    return column
