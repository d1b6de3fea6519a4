"""One group on a device: its buffers, its launches in order, and what comes back.

Everything is put into the device's queue and nothing is waited for, but for the memory it takes:
buffers are handed back as soon as the last launch that needs them is in the queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from trainfree.scoring.clock import GroupClock
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
    Copying,
    GroupPlan,
    Head,
    Kind,
    Launch,
    Measurement,
    Normalisation,
    Packing,
    Pooling,
    Product,
)
from trainfree.scoring.placement import to_device
from trainfree.scoring.settings.precision import Precision

FLOW_IMAGES = 2
"""The value and the derivative."""
_KERNEL_KINDS = (Kind.MULTIPLY, Kind.PACK)


@dataclass(frozen=True)
class Outputs:
    """What a group's launches leave, on the host once the device has done them.

    Attributes
    ----------
    sums
        Σ count · C Cᵀ in both ways of counting, (2, G, B, B) int32.
    flow
        Σ |θ ⊙ ∂R/∂θ| of each architecture, (G,) float64, 0 or inf where float64 does not hold it.
    patterns
        Codes of units as bits, int32, on the device.
    """

    sums: Tensor | None
    flow: Tensor | None
    patterns: Tensor | None


@dataclass(frozen=True)
class Pass:
    """What launches work on: the group's tables on the device and its images.

    Parameters
    ----------
    images
        Mini-batch, channels last, (B, height, width, 3) float32, flat.
    batch
        B.
    weights
        As ``weights`` in :mod:`~trainfree.scoring.gpu_kernels.launches`.
    """

    plan: GroupPlan
    images: Tensor
    batch: int
    weights: Tensor
    precision: Precision
    clock: GroupClock

    def forward(self, tables: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Put the pass of the mini-batch into the queue; return sums of products and patterns."""
        plan, size = self.plan, self.batch
        maps = self._empty(plan.map_elements, torch.float32)
        codes = self._empty(plan.code_elements, torch.int8)
        patterns = self._empty(plan.pattern_elements, torch.int32)
        maps[: self.images.numel()] = self.images
        shape = (2, len(plan.architectures), size, size)
        sums = torch.zeros(shape, dtype=torch.int32, device=self.images.device)
        for launch, table in self._by_phase(plan.forward, tables):
            match launch.geometry:
                case Pooling() as geometry:
                    pooling.pool(table, geometry, maps, size)
                case Copying() as geometry:
                    pooling.copy(table, geometry, maps, size)
                case Convolution() as geometry:
                    convolution.convolve(table, geometry, maps, self.weights, size, self.precision)
                case Measurement() as geometry:
                    measurement.measure(table, geometry, maps, size)
                case Normalisation() as geometry:
                    normalisation.normalise(table, geometry, maps, size)
                case Combination() as geometry:
                    combination.combine(table, geometry, maps, codes, size)
                case Product() as geometry:
                    products.multiply(table, geometry, codes, sums, size)
                case Packing() as geometry:
                    products.pack(table, geometry, codes, patterns, size)
                case _:
                    raise TypeError(f"{launch.kind.name} is no step of the mini-batch's pass")
        return sums, patterns

    def flow(self, tables: Sequence[Tensor]) -> Tensor:
        """Put the pass of the synaptic flow into the queue; return its sums, (G,)."""
        plan, device = self.plan, self.images.device
        results = torch.zeros(len(plan.architectures), dtype=torch.float64, device=device)
        pairs = self._empty(plan.flow_elements, torch.float64)
        ones = self.images.numel() // self.batch
        pairs[:ones] = 1.0
        pairs[ones : FLOW_IMAGES * ones] = 0.0
        with self.clock.phase("flow"):
            for launch, table in zip(plan.flow, tables, strict=True):
                match launch.kind, launch.geometry:
                    case Kind.POOL, Pooling() as geometry:
                        pooling.pool(table, geometry, pairs, FLOW_IMAGES)
                    case Kind.FLOW_MAX_POOL, Pooling() as geometry:
                        flow.flow_max_pool(table, geometry, pairs)
                    case Kind.COPY, Copying() as geometry:
                        pooling.copy(table, geometry, pairs, FLOW_IMAGES)
                    case Kind.FLOW_CONVOLVE, Convolution() as geometry:
                        flow.flow_convolve(table, geometry, pairs, self.weights)
                    case Kind.COMBINE, Combination() as geometry:
                        combination.combine(table, geometry, pairs, None, FLOW_IMAGES)
                    case Kind.FLOW_HEAD, Head() as geometry:
                        flow.flow_head(table, geometry, pairs, self.weights, results)
                    case _:
                        raise TypeError(f"{launch.kind.name} is no step of the synaptic flow")
        return results

    def _by_phase(
        self, launches: Sequence[Launch], tables: Sequence[Tensor]
    ) -> Iterator[tuple[Launch, Tensor]]:
        """Yield launches with their tables, the clock being in the phase of each."""
        pairs = zip(launches, tables, strict=True)
        for phase, part in groupby(pairs, key=lambda pair: phase_of(pair[0].kind)):
            with self.clock.phase(phase):
                yield from part

    def _empty(self, elements: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(elements, dtype=dtype, device=self.images.device)


def execute(
    plan: GroupPlan,
    images: Tensor,
    batch: int,
    precision: Precision,
    clock: GroupClock,
    weights: Tensor | None = None,
) -> Outputs:
    """Put a group into the queue of the device that ``images`` lie on.

    Parameters
    ----------
    images
        Mini-batch, channels last, (B, height, width, 3) float32, flat.
    batch
        B.
    weights
        Weights that were drawn on the host; without them the device draws.

    Raises
    ------
    torch.OutOfMemoryError
        When a buffer does not fit.
    """
    device = images.device
    with clock.phase("build"):
        tables = [launch.table for launch in (*plan.forward, *plan.flow)]
        whole_numbers = torch.empty(0, dtype=torch.int64, device=device)
        *sent, draws, streams = to_device(
            [*tables, plan.draws, plan.seeds.view(np.int64)], whole_numbers
        )
        if weights is None:
            weights = torch.empty(plan.weight_elements, dtype=torch.float32, device=device)
            drawing.draw(draws, streams, weights)
    work = Pass(plan, images, batch, weights, precision, clock)
    sums, patterns = work.forward(sent[: len(plan.forward)]) if plan.forward else (None, None)
    results = work.flow(sent[len(plan.forward) :]) if plan.flow else None
    with clock.phase("kernel"):
        return Outputs(_to_host(sums), _to_host(results), patterns)


def phase_of(kind: Kind) -> str:
    """Return the phase that a step of the mini-batch's pass belongs to."""
    return "kernel" if kind in _KERNEL_KINDS else "forward"


def _to_host(tensor: Tensor | None) -> Tensor | None:
    """Return a copy on the host that is complete once the device's queue is done."""
    if tensor is None or tensor.device.type == "cpu":
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
