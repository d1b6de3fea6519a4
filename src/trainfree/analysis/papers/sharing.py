"""Files of shared weights as tables read them: the runs of each method under one setting.

What the architectures chosen reach when they are trained alone is looked up in the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.inputs import Floats, floats, stand_in_of, target_of, texts
from trainfree.analysis.published import Measure
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.trainings import Outcome

if TYPE_CHECKING:
    import xarray as xr

METHOD_TITLES = {
    "rsps": "RSPS",
    "darts_v1": "DARTS-V1",
    "darts_v2": "DARTS-V2",
    "gdas": "GDAS",
    "setn": "SETN",
    "enas": "ENAS",
}
"""The methods in the order in which tables have them, and what papers call them."""
SEARCHING = ("weights", "architecture")
"""Phases of an epoch that are part of the search."""
SETTING = ("space", "dataset", "method", "preset", "scale")
"""Attributes in which the runs of one setting are alike."""
ALIKE = ("code_hash", "source_hashes", "published", "stand_in")
TOLD = (*SETTING, *ALIKE, "run", "chance", "image_source", "device", "threads")


@dataclass(frozen=True)
class Trainings:
    """The runs of one method under one setting.

    Attributes
    ----------
    files
        Data sets of kind "weight_sharing", one a run, in the order of the runs.
    """

    files: tuple[xr.Dataset, ...]

    @property
    def attributes(self) -> dict[Any, Any]:
        """Those of the first run."""
        return self.files[0].attrs

    @property
    def title(self) -> str:
        """What the method is called."""
        method = str(self.attributes["method"])
        return METHOD_TITLES.get(method, method)

    @property
    def is_published(self) -> bool:
        """Whether everything is of the published size."""
        return bool(int(self.attributes["published"]))

    @property
    def stand_in(self) -> str:
        """What stands in for the images; empty for real ones."""
        return stand_in_of(self.attributes)

    @property
    def ranked(self) -> list[int]:
        """The architectures that each run ranked; none where the runs did not rank the same."""
        ranked = [file["ranked_arch"].to_numpy().tolist() for file in self.files]
        return list(ranked[0]) if all(other == ranked[0] for other in ranked) else []

    def each(self, name: str) -> Floats:
        """Return the values of a variable of every run, (run, ...)."""
        return np.stack([floats(file[name]) for file in self.files])

    def last(self, name: str) -> Floats:
        """Return those of a variable by epoch after the last epoch, (run,)."""
        return np.array([floats(file[name])[-1] for file in self.files])


@dataclass(frozen=True)
class SharedFiles:
    """The trainings of shared weights of a run, read when they are first asked for.

    Attributes
    ----------
    paths
        Their files.
    left_out
        Told of each that cannot be used, and why; may raise.
    """

    paths: tuple[Path, ...]
    left_out: Callable[[Path, DataFileError], None]

    @cached_property
    def trainings(self) -> list[Trainings]:
        """The runs of each method and setting."""
        found = []
        for path in self.paths:
            try:
                found.append(read_dataset(path, "weight_sharing"))
            except DataFileError as error:
                self.left_out(path, error)
        return group_trainings(found)

    def of(self, measure: Measure, space: str) -> Trainings | None:
        """Return those that a measure names: at the published scale, or of most runs; or None."""
        wanted = {"method": measure.algorithm, "dataset": measure.dataset, "space": space}
        wanted |= {"preset": measure.preset} if measure.preset else {}
        found = [
            each
            for each in self.trainings
            if all(each.attributes[key] == value for key, value in wanted.items())
        ]
        return max(found, key=lambda each: (each.is_published, len(each.files)), default=None)


@dataclass(frozen=True)
class Trained:
    """What is known of the trained architectures, by their places in the space's order.

    Attributes
    ----------
    benchmark
        The trained accuracies.
    """

    benchmark: xr.Dataset

    def accuracy(self, outcome: str, places: Iterable[Any]) -> Floats:
        """Return the accuracy of architectures in percent; NaN where the benchmark has none."""
        target = target_of(self.benchmark, Outcome.of_label(outcome))
        if target is None:
            return np.full(len(list(places)), np.nan)
        found: Floats = self._at(target.accuracy.to_numpy(dtype=np.float64), places)
        return found

    def all_accuracies(self, outcome: str) -> Floats:
        """Return every accuracy that is known; empty without one."""
        target = target_of(self.benchmark, Outcome.of_label(outcome))
        known = None if target is None else target.accuracy.dropna()
        return np.array([]) if known is None else known.to_numpy(dtype=np.float64)

    def names(self, places: Iterable[Any]) -> list[str]:
        """Return the names of architectures; empty where the benchmark has none."""
        names = np.array(texts(self.benchmark["architecture"]), dtype=object)
        return ["" if name != name else str(name) for name in self._at(names, places)]

    def _at(self, values: Any, places: Iterable[Any]) -> Any:
        index = pd.Index(self.benchmark["arch"].to_numpy().astype(np.int64))
        wanted = np.array(list(places), dtype=np.int64)
        return pd.Series(values, index=index).reindex(wanted).to_numpy()


def group_trainings(files: Sequence[xr.Dataset]) -> list[Trainings]:
    """Return the runs of each method and setting together, the methods in their order.

    Raises
    ------
    DataFileError
        When a file lacks an attribute, a run is there twice, or runs of one setting were made by
        different code or of different images.
    """
    known = list(METHOD_TITLES)
    groups: dict[tuple[str, ...], list[xr.Dataset]] = {}
    for file in files:
        missing = [key for key in TOLD if key not in file.attrs]
        if missing:
            raise DataFileError(
                f"a file of shared weights ({_called(file)}) lacks the attribute "
                f"{', '.join(missing)}; delete it and run the target weight_sharing"
            )
        groups.setdefault(tuple(str(file.attrs[key]) for key in SETTING), []).append(file)
    found = [
        Trainings(tuple(sorted(runs, key=lambda run: int(run.attrs["run"]))))
        for runs in groups.values()
    ]
    for trainings in found:
        _require_alike(trainings)

    def place(trainings: Trainings) -> tuple[object, ...]:
        space, dataset, method, *others = (str(trainings.attributes[key]) for key in SETTING)
        at = known.index(method) if method in known else len(known)
        return (space, dataset, at, method, *others)

    return sorted(found, key=place)


def skips_and_nones(name: str) -> tuple[float, float]:
    """Return how many edges of a cell carry a skip connection, and how many nothing.

    Parameters
    ----------
    name
        The cell's name, ``|operation~source|+|...``; NaN for both where it is empty.
    """
    if not name:
        return np.nan, np.nan
    operations = [term.partition("~")[0] for term in name.replace("+", "").split("|")]
    return float(operations.count("skip_connect")), float(operations.count("none"))


def seconds_so_far(file: xr.Dataset) -> Floats:
    """Return what the search has cost after each epoch, (epoch,), in seconds."""
    spent: Floats = floats(file["seconds"].sel(phase=list(SEARCHING))).sum(axis=1).cumsum()
    return spent


def _require_alike(trainings: Trainings) -> None:
    first = trainings.files[0]
    runs = [int(file.attrs["run"]) for file in trainings.files]
    if len(set(runs)) < len(runs):
        raise DataFileError(
            f"expected each run of {_called(first)} once, found the runs "
            f"{', '.join(map(str, runs))}; name each file once"
        )
    for key in ALIKE:
        for file in trainings.files:
            if file.attrs[key] != first.attrs[key]:
                raise DataFileError(
                    f"expected runs {first.attrs['run']} and {file.attrs['run']} of "
                    f"{_called(first)} with the same {key}, found {first.attrs[key]!r} and "
                    f"{file.attrs[key]!r}; delete their files and run the target weight_sharing"
                )


def _called(file: xr.Dataset) -> str:
    told = (str(file.attrs.get(key, "?")) for key in ("method", "preset", "dataset"))
    return ", ".join(told)
