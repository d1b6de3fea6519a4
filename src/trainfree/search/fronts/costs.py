"""What a network costs, by architecture: latency, energy, size, or accuracy after deployment.

Costs have names for file paths: ``params``, ``flops``, ``latency-<device>``, ``energy-<device>``
and ``deployed-<what was done>``, for example ``latency-edge-gpu``. The last one is an accuracy:
more of it is better, and a limit on it is a lower one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.errors import ConfigError, DataFileError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.search.fronts.domination import FloatArray
from trainfree.search.training_cost import strings
from trainfree.spaces.protocol import Space
from trainfree.trainings import trainings_on

if TYPE_CHECKING:
    import xarray as xr

COUNTED = {"params": "parameters", "flops": "FLOPs"}
"""Costs that need no device, and what they are called."""
ON_HARDWARE = {
    "latency": ("latency", "device"),
    "energy": ("energy", "device"),
    "deployed": ("deployed_accuracy", "deployment"),
}
"""Variable of the hardware file and its dimension, by how the cost's name begins."""
NAME = re.compile(rf"{'|'.join(COUNTED)}|(?:{'|'.join(ON_HARDWARE)})-[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Cost:
    """One cost of every architecture of a space.

    Attributes
    ----------
    name, title, units
        See above; what readers call it; of the values.
    values
        (arch,) NaN where it is not known.
    larger_is_better
        Whether it is an accuracy.
    source
        Where it is from, for readers.
    source_hash
        Config hash of the file it is from.
    """

    name: str
    title: str
    units: str
    values: FloatArray
    larger_is_better: bool
    source: str
    source_hash: str

    @property
    def burden(self) -> FloatArray:
        """The same, less is better."""
        return -self.values if self.larger_is_better else self.values

    @property
    def unknown(self) -> int:
        """Of how many architectures it is not known."""
        return int(np.isnan(self.values).sum())

    @property
    def note(self) -> str:
        """Sentences for readers: where it is from, and what happens where it is not known."""
        told = f"{self.title[0].upper()}{self.title[1:]}: {self.source}."
        if self.unknown:
            told += (
                f" {self.unknown} of {len(self.values)} architectures have no such value: a search "
                "that looks at one has spent an evaluation, and none of them is on a front or "
                "within a limit."
            )
        return told

    def of_burden(self, burden: float) -> float:
        """Return the value of a burden."""
        return -burden if self.larger_is_better else burden


def needs_hardware(name: str) -> bool:
    """Whether a cost is in the hardware file."""
    return name not in COUNTED


def check_cost(name: str) -> str:
    """Return the name of a cost if it is of a kind that there is.

    Raises
    ------
    ConfigError
        When it is not.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"expected a cost: {', '.join(COUNTED)}, or {', '.join(ON_HARDWARE)} with the name "
            f"of a device or deployment in small letters, such as latency-edge-gpu; found {name!r}"
        )
    return name


def load_cost(
    name: str, space: Space, dataset: str, benchmark: Path, scores: Path, hardware: Path | None
) -> Cost:
    """Read a cost.

    Numbers of parameters and FLOPs are the benchmark's, and those of the scored networks where it
    has none.

    Raises
    ------
    ConfigError
        When the name is none, or belongs to hardware and no such file is given.
    UnknownNameError
        When the hardware file lacks the device or deployment; suggests the nearest.
    DataFileError
        When a file is missing, of other networks, or has no value at all.
    """
    check_cost(name)
    if not needs_hardware(name):
        cost = _counted(name, space, dataset, benchmark, scores)
    elif hardware is None:
        raise ConfigError(
            f"pareto.costs: {name} needs a file of what networks cost on hardware, which "
            f"{space.name} has not; choose among {', '.join(COUNTED)}"
        )
    else:
        cost = _on_hardware(name, space, dataset, hardware)
    if np.isnan(cost.values).all():
        raise DataFileError(f"{hardware or benchmark}: has no value of {name}; leave it out")
    return cost


def _on_hardware(name: str, space: Space, dataset: str, path: Path) -> Cost:
    data = read_dataset(path, "hardware", {"space": space.name, "dataset": dataset})
    known = dict(_columns(data))
    if name not in known:
        missing = str(data.attrs.get("missing", ""))
        lacking = f" (it lacks {missing}: no source had it)" if missing else ""
        raise UnknownNameError(f"cost in {path}{lacking}", name, known)
    variable, label = known[name]
    dimension = ON_HARDWARE[name.partition("-")[0]][1]
    column = data[variable].sel({dimension: label})
    deployed = variable == "deployed_accuracy"
    title = f"accuracy, {label}" if deployed else f"{variable}, {label}"
    source = str(data.attrs.get("source_note", "source not recorded"))
    return _cost(name, title, column, space, deployed, source, data)


def _columns(data: xr.Dataset) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the names of the columns of a hardware file that have any value, and where they are."""
    for kind, (variable, dimension) in ON_HARDWARE.items():
        for label in strings(data[dimension]):
            if data[variable].sel({dimension: label}).notnull().any():
                slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
                yield f"{kind}-{slug}", (variable, label)


def _counted(name: str, space: Space, dataset: str, benchmark: Path, scores: Path) -> Cost:
    trained = read_dataset(benchmark, "benchmark", {"space": space.name})
    named = strings(trained["dataset"])
    for training in reversed(trainings_on(dataset)):
        if name in trained and training in named:
            column = trained[name].sel(dataset=training)
            if column.notnull().any():
                source = f"as the benchmark counts them, on {training}"
                return _cost(name, COUNTED[name], column, space, False, source, trained)
    scored = read_dataset(scores, "scores", {"space": space.name, "dataset": dataset})
    source = "counted on the networks that were scored"
    return _cost(name, COUNTED[name], scored[name], space, False, source, scored)


def _cost(
    name: str,
    title: str,
    column: xr.DataArray,
    space: Space,
    larger_is_better: bool,
    source: str,
    data: xr.Dataset,
) -> Cost:
    values = column.to_numpy().astype(np.float64)
    if strings(data["architecture"]) != [space.to_string(index) for index in range(len(space))]:
        raise DataFileError(
            f"{name}: expected all {len(space)} architectures of {space.name} in their order, "
            f"found {len(values)} others; make the file again from the whole space"
        )
    if np.isinf(values).any():
        raise DataFileError(f"{name}: expected finite numbers, found an infinite one")
    return Cost(
        name=name,
        title=title,
        units=str(column.attrs["units"]),
        values=values,
        larger_is_better=larger_is_better,
        source=source,
        source_hash=str(data.attrs.get("config_hash", "unknown")),
    )
