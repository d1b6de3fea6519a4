"""What networks cost and achieve on hardware: plain columns in, an xarray data set out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from trainfree.benchmarks.schema import Column
from trainfree.spaces.protocol import Space


@dataclass(frozen=True)
class HardwareTable:
    """Columns with one entry an architecture, in the space's order, and NaN for missing.

    Attributes
    ----------
    dataset
        Image set whose networks these are.
    latency
        Milliseconds, by device.
    energy
        Millijoules, by device.
    accuracy
        Test accuracy in percent of the network as it is deployed, by what was done to it.
    """

    dataset: str
    latency: Mapping[str, Column] = field(default_factory=dict)
    energy: Mapping[str, Column] = field(default_factory=dict)
    accuracy: Mapping[str, Column] = field(default_factory=dict)


def hardware_dataset(
    space: Space, table: HardwareTable, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Return the data set of a hardware file."""
    devices = list(dict.fromkeys([*table.latency, *table.energy]))
    described = {
        "latency": (table.latency, "device", devices, "ms", "latency of the network on the device"),
        "energy": (table.energy, "device", devices, "mJ", "energy of the network on the device"),
        "deployed_accuracy": (
            *(table.accuracy, "deployment", list(table.accuracy), "%"),
            "test accuracy of the deployed network",
        ),
    }
    variables = {}
    for name, (columns, dim, labels, units, long_name) in described.items():
        values = np.full((len(space), len(labels)), np.nan)
        for label, column in columns.items():
            values[:, labels.index(label)] = column
        variables[name] = (("arch", dim), values, {"units": units, "long_name": long_name})
    strings = [space.to_string(index) for index in range(len(space))]
    return xr.Dataset(
        variables,
        coords={
            "arch": np.arange(len(space)),
            "architecture": ("arch", np.array(strings, dtype=object)),
            "device": np.array(devices, dtype=object),
            "deployment": np.array(list(table.accuracy), dtype=object),
        },
        attrs={**attributes, "dataset": table.dataset},
    )
