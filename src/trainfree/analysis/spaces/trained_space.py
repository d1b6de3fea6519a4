"""The trained accuracies and times of a whole space, for its landscape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.data_line import data_line
from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats
from trainfree.errors import DataFileError
from trainfree.files.storage import open_dataset
from trainfree.trainings import Outcome, accuracies, of_trainings

if TYPE_CHECKING:
    import xarray as xr

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

    def accuracies(self) -> dict[Outcome, Floats]:
        """Return percent by outcome, without what nobody measured."""
        import xarray as xr  # slow to import, and the workflow reads this file

        found = accuracies(xr.Dataset({"accuracy": self._accuracy}))
        return {key: column for key, column in found.items() if key.split != TRAIN_SPLIT}

    def longest(self) -> dict[Outcome, Floats]:
        """Return the accuracies on CIFAR-10 after the longest training for which there are any."""
        found = self.accuracies()
        known = of_trainings(found, "cifar10")
        last = {key[:2]: max(k.epochs for k in known if k[:2] == key[:2]) for key in known}
        return {key: found[key] for key in known if key.epochs == last[key[:2]]}

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


def _filled(values: xr.DataArray, arch: Any, size: int) -> xr.DataArray:
    """Return the values with one row for every architecture of the space, NaN where missing."""
    return values.load().assign_coords(arch=arch).reindex(arch=np.arange(size))
