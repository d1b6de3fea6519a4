"""What a learner gets from a few trainings, for the tables of proxies: the line that they lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.analysis.field.cells import Column, Learning
from trainfree.analysis.field.measures import Found
from trainfree.analysis.inputs import floats, texts
from trainfree.analysis.papers.measures import Measured
from trainfree.analysis.run_files import AbsentError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

STATISTICS = ("kendall", "spearman", "ndcg")


class Learners:
    """The forests of a run that learned accuracies.

    Parameters
    ----------
    paths
        Files of kind "learned"; those that learned anything else are left aside.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        every = [read_dataset(path, "learned") for path in paths]
        self.studies = [study for study in every if study.attrs["kind"] == "accuracy"]

    def known(self, dataset: str, subset: str) -> Iterator[Learning]:
        """Yield the sets of features and numbers of trainings that there are forests of."""
        study = self._study(dataset, subset)
        if study is None:
            return
        for features in texts(study["features"]):
            for trainings in study["trainings"].to_numpy().tolist():
                if not np.isnan(_cell(study, features, trainings)["seconds"]).all():
                    yield Learning.model_validate({"features": features, "trainings": trainings})

    def measure(self, learning: Learning, column: Column, subset: str) -> Found:
        """Return mean and spread over the draws of the trained architectures.

        Parameters
        ----------
        subset
            The part of the space; empty for all of it.

        Raises
        ------
        AbsentError
            When there is no such forest or statistic.
        """
        study = self._study(column.dataset, subset)
        wanted = f"a forest that learned {column.outcome} from {learning.features}"
        if study is None or column.outcome not in texts(study["outcome"]):
            raise AbsentError(f"not run: no {wanted.removeprefix('a ')} on {column.dataset}")
        if learning.features not in texts(study["features"]):
            raise AbsentError(f"not run: {wanted}; there are {', '.join(texts(study['features']))}")
        if learning.trainings not in study["trainings"]:
            raise AbsentError(f"not run: {wanted} after {learning.trainings} trainings")
        if column.statistic not in STATISTICS:
            raise AbsentError(f"{column.statistic} of a forest is not computed")
        cell = _cell(study, learning.features, learning.trainings, column.outcome)
        values = floats(cell[column.statistic])
        values = values[~np.isnan(values)]
        if not values.size:
            raise AbsentError(f"{wanted} after {learning.trainings} trainings: too few others")
        spread = float(values.std(ddof=1)) if values.size > 1 else np.nan
        others = int(cell["rows"]) - learning.trainings
        error = spread / np.sqrt(values.size) if values.size > 1 else 0.0
        measured = Measured(float(values.mean()), spread, np.nan, np.nan, others, float(error))
        return Found(measured, values.size, others)

    def _study(self, dataset: str, subset: str) -> xr.Dataset | None:
        for study in self.studies:
            if (study.attrs["dataset"], study.attrs["subset"]) == (dataset, subset):
                return study
        return None


def _cell(study: xr.Dataset, features: str, trainings: int, outcome: str = "") -> xr.Dataset:
    cell = study.sel(features=features, trainings=trainings)
    return cell.sel(outcome=outcome) if outcome else cell.isel(outcome=0)
