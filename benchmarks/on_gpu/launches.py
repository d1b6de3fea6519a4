"""How long each launch of a group takes, and what its rows read, write and multiply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch

from trainfree.scoring.gpu_kernels import (
    combination,
    convolution,
    drawing,
    flow,
    measurement,
    normalisation,
    pooling,
    products,
)
from trainfree.scoring.gpu_kernels.launches import (
    Combination,
    Convolution,
    Geometry,
    Product,
)

FLOW_IMAGES = 2
"""The value and the derivative."""
LAUNCHERS: tuple[tuple[ModuleType, str], ...] = (
    (drawing, "draw"),
    (pooling, "pool"),
    (pooling, "copy"),
    (convolution, "convolve"),
    (measurement, "measure"),
    (normalisation, "normalise"),
    (combination, "combine"),
    (products, "multiply"),
    (products, "pack"),
    (flow, "flow_convolve"),
    (flow, "flow_max_pool"),
    (flow, "flow_head"),
)


@dataclass
class Timed:
    """One launch.

    Attributes
    ----------
    table
        Its rows, on the device.
    images
        Of the mini-batch; two for the synaptic flow.
    word
        Bytes of an element of the maps.
    host_seconds
        That the launch took the host.
    events
        Before and behind it, on a GPU.
    again
        Launches once more, where it was asked for; it keeps the buffers.
    """

    name: str
    geometry: Geometry | None
    table: torch.Tensor
    images: int
    word: int
    host_seconds: float = 0.0
    events: list[Any] = field(default_factory=list)
    again: Callable[[], Any] = field(default=lambda: None)

    @property
    def seconds(self) -> float:
        """Seconds on the device; wait for it first."""
        if not self.events:
            return self.host_seconds
        return float(self.events[0].elapsed_time(self.events[1])) / 1e3


@contextmanager
def launches_timed(device: torch.device, repeatable: bool = False) -> Iterator[list[Timed]]:
    """Yield a list that each launch within the block is added to."""
    found: list[Timed] = []
    originals = [getattr(module, name) for module, name in LAUNCHERS]
    for (module, name), original in zip(LAUNCHERS, originals, strict=True):
        setattr(module, name, _timed(name, original, found, device, repeatable))
    try:
        yield found
    finally:
        for (module, name), original in zip(LAUNCHERS, originals, strict=True):
            setattr(module, name, original)


def _timed(
    name: str,
    launch: Callable[..., Any],
    found: list[Timed],
    device: torch.device,
    repeatable: bool,
) -> Callable[..., Any]:
    def run(table: torch.Tensor, *rest: Any) -> Any:
        geometry = rest[0] if is_dataclass(rest[0]) else None
        images = next((value for value in rest[1:] if type(value) is int), FLOW_IMAGES)
        timed = Timed(name, geometry, table, images, rest[1].element_size())  # type: ignore[arg-type]
        if device.type == "cuda":
            timed.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            timed.events[0].record()
        start = time.perf_counter()
        result = launch(table, *rest)
        timed.host_seconds = time.perf_counter() - start
        if timed.events:
            timed.events[1].record()
        if repeatable:
            timed.again = partial(launch, table, *rest)
        found.append(timed)
        return result

    return run


def work_of(timed: Timed) -> tuple[float, float]:
    """Return bytes that a launch has to read and write at least, and multiplications.

    Of convolutions, sums and products of codes; zero for the rest. Weights and moments are not
    counted.
    """
    rows = timed.table.cpu().tolist()
    match timed.geometry:
        case Convolution(height, width, kernel) as geometry:
            inside = timed.images * height * width
            outside = timed.images * geometry.size_out[0] * geometry.size_out[1]
            elements = sum(inside * row[4] + outside * row[5] for row in rows)
            multiplied = sum(outside * row[4] * row[5] * kernel**2 for row in rows)
            return float(timed.word * elements), float(multiplied)
        case Combination(height, width):
            pixels = timed.images * height * width
            moved = 0
            for result, code, channels, terms, *_ in rows:
                word = timed.word * (terms + (result >= 0)) + (code >= 0)
                moved += pixels * channels * word
            return float(moved), 0.0
        case Product():
            units = sum(row[1] for row in rows)
            return float(units * timed.images), float(units * timed.images**2)
        case _:
            return 0.0, 0.0


def described(timed: Timed) -> str:
    """Return a launch's geometry in words."""
    match timed.geometry:
        case Convolution(height, width, kernel, stride, relu):
            ends = sorted({tuple(row) for row in timed.table[:, 4:6].cpu().tolist()})
            shown = ", ".join(f"{one}->{other}" for one, other in ends[:3])
            of_relu = ", of the ReLU" if relu else ""
            return f"{height}x{width}, {kernel}x{kernel} stride {stride}, {shown}{of_relu}"
        case Combination(height, width, averaged):
            channels = sorted(set(timed.table[:, 2].tolist()))[:3]
            return f"{height}x{width}, channels {channels}" + (", averaged" if averaged else "")
        case None:
            return "weights"
        case geometry:
            return str(geometry)
