"""Reading a benchmark file, and the questions asked of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from trainfree.benchmarks.schema import MEAN_SEED
from trainfree.errors import UnknownNameError
from trainfree.files.storage import read_dataset

Outcome = tuple[str, str, int]


def load_benchmark(path: Path) -> xr.Dataset:
    """Return a benchmark file's content; raises DataFileError as :func:`read_dataset` does."""
    return read_dataset(path, "benchmark")


def outcomes(benchmark: xr.Dataset) -> list[Outcome]:
    """Return the (data set, split, epochs) for which any architecture has an accuracy."""
    present = benchmark["accuracy"].notnull().any(("arch", "seed"))
    return [
        (str(dataset), str(split), int(epochs))
        for dataset in benchmark["dataset"].to_numpy()
        for split in benchmark["split"].to_numpy()
        for epochs in benchmark["epochs"].to_numpy()
        if bool(present.sel(dataset=dataset, split=split, epochs=epochs))
    ]


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
    known = outcomes(benchmark)
    if (dataset, split, epochs) not in known:
        names = ["/".join(map(str, outcome)) for outcome in known]
        raise UnknownNameError("benchmark outcome", f"{dataset}/{split}/{epochs}", names)
    values = benchmark["accuracy"].sel(dataset=dataset, split=split, epochs=epochs)
    single = values.sel(seed=[seed for seed in values["seed"].to_numpy() if seed != MEAN_SEED])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as wanted
        column = single.mean("seed", skipna=True).to_numpy()
    if MEAN_SEED in values["seed"]:
        given = values.sel(seed=MEAN_SEED).to_numpy()
        column = np.where(np.isnan(given), column, given)
    return np.asarray(column, dtype=np.float64)
