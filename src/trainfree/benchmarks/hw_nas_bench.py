"""HW-NAS-Bench's latencies and energies of the whole space, as tabulated in a CSV file.

HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark (Li et al., ICLR 2021); costs are
measured or estimated there, in milliseconds and millijoules.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from trainfree.benchmarks.hardware_form import HardwareTable
from trainfree.benchmarks.schema import Column, positions
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.reading import brief
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.nasbench201.space import CellSpace

NETWORK = "net"
_CODES = re.compile(r"[(\[] *[0-9](, *[0-9])* *[)\]]")
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
    columns: dict[str, type] = {NETWORK: str}
    columns |= dict.fromkeys([*latency.values(), *energy.values()], float)
    table = read_table(path, columns, 2 * len(space))
    where = f"{path}: column {NETWORK!r}"
    try:
        indices = [space.from_naslib(_naslib_codes(codes, where)) for codes in table[NETWORK]]
    except ArchitectureError as error:
        raise SourceError(f"{where}: {error}") from error
    table = table.iloc[positions(space, indices, str(path))]
    return HardwareTable(
        dataset="cifar10",
        latency={DEVICES[name]: _costs(table, column, path) for name, column in latency.items()},
        energy={DEVICES[name]: _costs(table, column, path) for name, column in energy.items()},
    )


def _naslib_codes(text: str, where: str) -> tuple[int, ...]:
    """Return for example ``(0, 1, 4, 2, 2, 3)`` as numbers."""
    if not _CODES.fullmatch(text):
        raise SourceError(
            f"{where}: expected six codes of operations in brackets, found {brief(text)}"
        )
    return tuple(int(digit) for digit in re.findall(r"[0-9]", text))


def _costs(table: pd.DataFrame, column: str, path: Path) -> Column:
    values = table[column].to_numpy(dtype=np.float64)
    missing = values == NOT_MEASURED
    wrong = ~missing & ~((values > 0) & np.isfinite(values))
    if wrong.any():
        raise SourceError(
            f"{path}: {column}: expected positive numbers, or {NOT_MEASURED:g} for what was not "
            f"measured, found {values[wrong][0]:g}"
        )
    return np.where(missing, np.nan, values)
