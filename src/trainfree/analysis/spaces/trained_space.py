"""The trained accuracies and times of a whole space, for its landscape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trainfree.analysis.data_line import data_line
from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats, texts
from trainfree.errors import DataFileError
from trainfree.files.storage import open_dataset

TRAIN_SPLIT = "train"


class TrainedSpace:
    """The columns of a benchmark file, one entry for every architecture of the space."""

    def __init__(self, path: Path, shape: xr.Dataset, landscape: Path) -> None:
        with open_dataset(path, "benchmark", without=["architecture"]) as benchmark:
            self.space = str(benchmark.attrs.get("space", ""))
            if self.space != shape.attrs.get("space"):
                raise DataFileError(
                    f"{landscape}: is of {shape.attrs.get('space')!r}, but {path} of "
                    f"{self.space!r}; make the landscape file from this benchmark file"
                )
            self.made_from = data_line([benchmark, shape], apart="space")
            self.size = shape.sizes["arch"]
            arch = benchmark["arch"].to_numpy()
            self._accuracy = _filled(benchmark["accuracy"], arch, self.size)
            self._seconds = _filled(benchmark["train_seconds"], arch, self.size)

    def accuracies(self) -> dict[tuple[str, str, int], Floats]:
        """Return percent by (data set, split, epochs), without what nobody measured."""
        values = self._accuracy
        found = {}
        for dataset in texts(values["dataset"]):
            for split in texts(values["split"]):
                for epochs in values["epochs"].to_numpy().tolist():
                    column = _over_seeds(values.sel(dataset=dataset, split=split, epochs=epochs))
                    if split != TRAIN_SPLIT and not np.isnan(column).all():
                        found[dataset, split, int(epochs)] = column
        return found

    def longest(self) -> dict[tuple[str, str, int], Floats]:
        """Return the accuracies on CIFAR-10 after the longest training for which there are any."""
        known = {
            key: column for key, column in self.accuracies().items() if "cifar10" in _family(key[0])
        }
        last = {key[:2]: max(k[2] for k in known if k[:2] == key[:2]) for key in known}
        return {key: column for key, column in known.items() if key[2] == last[key[:2]]}

    def seconds(self) -> Floats:
        """Return the seconds of the longest training on CIFAR-10; NaN where not recorded."""
        values = self._seconds.sel(dataset="cifar10")
        lengths = sorted(values["epochs"].to_numpy().tolist())
        columns = [floats(values.sel(epochs=epochs)) for epochs in lengths]
        return next(
            (column for column in reversed(columns) if not np.isnan(column).all()), columns[-1]
        )

    def sample(self, known: int) -> str:
        """Return which architectures a number is of."""
        every = number(self.size, 0)
        return f"all {every}" if known == self.size else f"{number(known, 0)} of {every}"


def _family(dataset: str) -> tuple[str, ...]:
    return ("cifar10",) if dataset in ("cifar10", "cifar10-valid") else (dataset,)


def _filled(values: xr.DataArray, arch: Any, size: int) -> xr.DataArray:
    """Return the values with one row for every architecture of the space, NaN where missing."""
    return values.load().assign_coords(arch=arch).reindex(arch=np.arange(size))


def _over_seeds(values: xr.DataArray) -> Floats:
    """Return the source's own mean where it gives one, otherwise that of the single trainings."""
    by_seed = floats(values.transpose("arch", "seed"))
    given = np.array([seed == "mean" for seed in texts(values["seed"])])
    count = (~np.isnan(by_seed[:, ~given])).sum(axis=1)
    mean = np.full(len(by_seed), np.nan)
    np.divide(np.nansum(by_seed[:, ~given], axis=1), count, out=mean, where=count > 0)
    for column in by_seed[:, given].T:
        mean = np.where(np.isnan(column), mean, column)
    return mean
