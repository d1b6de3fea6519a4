"""HW-NAS-Bench's latencies and energies of the whole space, as tabulated in a CSV file.

HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark (Li et al., ICLR 2021); costs are
measured or estimated there, in milliseconds and millijoules.
"""

from __future__ import annotations

import ast
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainfree.benchmarks.hardware_form import HardwareTable
from trainfree.benchmarks.schema import Column, positions
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.spaces.nasbench201.space import CellSpace

NETWORK = "net"
DEVICES = {
    "edgegpu": "Edge GPU",
    "raspi4": "Raspberry Pi 4",
    "edgetpu": "Edge TPU",
    "pixel3": "Pixel 3",
    "eyeriss": "Eyeriss",
    "fpga": "FPGA",
}
"""Devices by the file's prefix of their columns."""
ENERGY_DEVICES = ("edgegpu", "eyeriss", "fpga")
NOT_MEASURED = -1.0
"""What stands for a network that the device could not run (an Edge TPU, 4,699 networks)."""


def read_hw_nas_bench(delivery: Delivery, space: CellSpace) -> HardwareTable:
    """Read the table.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column, has a cost that is not positive, or does not hold
        every architecture exactly once.
    """
    path = delivery.files["table"]
    latency = {name: f"{name}_latency" for name in DEVICES}
    energy = {name: f"{name}_energy" for name in ENERGY_DEVICES}
    table = _read_csv(path, [NETWORK, *latency.values(), *energy.values()])
    try:
        indices = [space.from_naslib(ast.literal_eval(codes)) for codes in table[NETWORK]]
    except (ArchitectureError, ValueError, SyntaxError, TypeError) as error:
        raise SourceError(f"{path}: column {NETWORK!r}: {error}") from error
    table = table.iloc[positions(space, indices, str(path))]
    return HardwareTable(
        dataset="cifar10",
        latency={DEVICES[name]: _costs(table, column, path) for name, column in latency.items()},
        energy={DEVICES[name]: _costs(table, column, path) for name, column in energy.items()},
    )


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    kinds = {name: str if name == NETWORK else np.float64 for name in columns}
    try:
        return pd.read_csv(path, usecols=list(columns), dtype=kinds, keep_default_na=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(
            f"{path}: expected a CSV table with columns {', '.join(columns)}; "
            f"cannot be read, perhaps truncated ({error})"
        ) from error


def _costs(table: pd.DataFrame, column: str, path: Path) -> Column:
    values = table[column].to_numpy(dtype=np.float64)
    values = np.where(values == NOT_MEASURED, np.nan, values)
    wrong = ~np.isnan(values) & ~((values > 0) & np.isfinite(values))
    if wrong.any():
        raise SourceError(
            f"{path}: {column}: expected positive numbers, or {NOT_MEASURED:g} for what was not "
            f"measured, found {values[wrong][0]:g}"
        )
    return values
