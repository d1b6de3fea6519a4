"""One forward pass that collects the kernels of the ReLU codes.

For the binary code C (B × D) of a ReLU, C Cᵀ + (1 − C)(1 − C)ᵀ = D − r 1ᵀ − 1 rᵀ + 2 C Cᵀ with
r = diag(C Cᵀ), so one product is enough, it is a whole number, and the products can be added up
first. ReLUs that read the same node have the same code: it is computed once and weighted by the
number of modules. The pass runs in
train mode (batch statistics), without gradients, channels last.

On a CPU the passes between convolutions are compiled (:mod:`trainfree.scoring.fused`) and codes are
packed to bits; on any other device the same steps are torch operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring import fused
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.plan import ConvStep, Map, MapStep, PoolStep, make_plan
from trainfree.spaces.network import AvgPool, Input, Network

BATCH_NORM_EPSILON = 1e-5
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class ReluKernels:
    """The kernel of one architecture in both countings, float64 with whole numbers, (B, B)."""

    per_module: NDArray[np.float64]
    official: NDArray[np.float64]


@torch.inference_mode()
def relu_kernels(
    network: Network,
    weights: Mapping[int, Tensor],
    batch: Tensor,
    clock: PhaseClock,
    compiled: bool | None = None,
) -> ReluKernels:
    """Run ``batch`` through the network and return the kernels of its ReLU codes.

    Parameters
    ----------
    network
        The network; nothing behind its last ReLU is executed.
    weights
        Convolution weights by node number, on the device of ``batch``.
    batch
        Images, (B, 3, height, width), channels last; float32, or float64 for exact comparisons.
    clock
        Receives the phases ``forward`` and ``kernel``.
    compiled
        Whether to use the compiled passes; by default on a CPU, where alone they run.
    """
    if compiled is None:
        compiled = batch.device.type == "cpu"
    make, products = (
        (make_map_compiled, packed_products) if compiled else (make_map, matmul_products)
    )
    once, official = _Kernel(len(batch)), _Kernel(len(batch))
    maps = {Map(number): batch for number, node in enumerate(network.nodes) if node == Input()}
    for step, dropped in make_plan(network):
        with clock.phase("forward"):
            match step:
                case ConvStep(number, node, source):
                    maps[Map(number)] = F.conv2d(
                        maps[source], weights[number], stride=node.stride, padding=node.padding
                    )
                case PoolStep(number, node, source):
                    maps[Map(number)] = average_pool(maps[source], node, compiled)
                case MapStep():
                    shape = (len(batch), *network.shapes[step.number])
                    code = make(step, maps, batch, shape)
        if isinstance(step, MapStep) and code is not None:
            with clock.phase("kernel"):
                common, units = products(code), code.shape[1]
                once.add(step.once, common, units)
                official.add(step.official, common, units)
        for read in dropped:
            maps.pop(read)
    return ReluKernels(once.matrix(), official.matrix())


class _Kernel:
    """Σ weight · (C Cᵀ + (1 − C)(1 − C)ᵀ), from the products C Cᵀ."""

    def __init__(self, images: int) -> None:
        self._products = np.zeros((images, images), np.int64)
        self._units = 0

    def add(self, weight: int, products: NDArray[np.int64], units: int) -> None:
        self._products += weight * products
        self._units += weight * units

    def matrix(self) -> NDArray[np.float64]:
        own = self._products.diagonal()
        kernel = self._units - own[:, None] - own[None, :] + 2 * self._products
        return kernel.astype(np.float64)


def packed_products(code: Tensor) -> NDArray[np.int64]:
    """Return C Cᵀ for a binary code on the CPU, (B, D) bool → (B, B), by counting common bits."""
    return fused.code_products(code.numpy())


def matmul_products(code: Tensor) -> NDArray[np.int64]:
    """Return C Cᵀ for a binary code on any device, (B, D) bool → (B, B), exact."""
    products = np.zeros((len(code), len(code)), np.int64)
    for part in torch.split(code, _EXACT_IN_FLOAT32 - 1, dim=1):
        ones = part.to(torch.float32)
        products += (ones @ ones.T).to(torch.int64).cpu().numpy()
    return products


def make_map(
    step: MapStep, maps: dict[Map, Tensor], batch: Tensor, shape: tuple[int, ...]
) -> Tensor | None:
    """Do ``step`` with torch: store the maps it makes, return the binary code if it counts.

    Parameters
    ----------
    maps
        Maps by name; those that the step makes are added.
    batch
        Gives type and device of a map without terms.
    shape
        (B, C, height, width) of the map.
    """
    total = batch.new_zeros(shape)
    for term in step.terms:
        x = maps[Map(term.source)]
        if term.normalised:
            x = F.batch_norm(x, None, None, training=True, eps=BATCH_NORM_EPSILON)
        total = total + x
    if step.keep_sum:
        maps[Map(step.number)] = total
    if step.keep_rectified:
        maps[Map(step.number, rectified=True)] = F.relu(total)
    return total.permute(0, 2, 3, 1).flatten(1) > 0 if step.once else None


def make_map_compiled(
    step: MapStep, maps: dict[Map, Tensor], batch: Tensor, shape: tuple[int, ...]
) -> Tensor | None:
    """Do what :func:`make_map` does in one compiled pass on the CPU."""
    total = _empty_map(batch, shape) if step.keep_sum else None
    rectified = _empty_map(batch, shape) if step.keep_rectified else None
    code = torch.empty(shape[0], prod(shape[1:]), dtype=torch.bool) if step.once else None
    if step.terms:
        fused.combine(
            [_scaled_rows(maps[Map(term.source)], term.normalised) for term in step.terms],
            None if total is None else _rows(total),
            None if rectified is None else _rows(rectified),
            None if code is None else code.numpy().reshape(-1, shape[1]),
        )
    else:
        for made in (total, rectified, code):
            if made is not None:
                made.zero_()
    if total is not None:
        maps[Map(step.number)] = total
    if rectified is not None:
        maps[Map(step.number, rectified=True)] = rectified
    return code


def _empty_map(batch: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=batch.dtype, memory_format=torch.channels_last)


def _rows(x: Tensor) -> fused.Floats:
    """See a channels-last map as rows of channels, (B·height·width, C), without copying."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()


def _scaled_rows(
    x: Tensor, normalised: bool
) -> tuple[fused.Floats, fused.Floats | None, fused.Floats | None]:
    """Return rows, and the mean and scale of each channel that normalise them."""
    rows = _rows(x)
    if not normalised:
        return rows, None, None
    return rows, *fused.normalisation(rows, BATCH_NORM_EPSILON)


def average_pool(x: Tensor, node: AvgPool, compiled: bool) -> Tensor:
    """Return the means over windows; padding is not averaged over.

    torch's own pooling of channels-last images takes several times as long on a CPU.
    """
    plain = (node.kernel, node.stride, node.padding) == (3, 1, 1) and min(x.shape[2:]) > 1
    if not (compiled and plain):
        return F.avg_pool2d(x, node.kernel, node.stride, node.padding, count_include_pad=False)
    means = _empty_map(x, tuple(x.shape))
    x = x.contiguous(memory_format=torch.channels_last)
    fused.average_3x3(x.permute(0, 2, 3, 1).numpy(), means.permute(0, 2, 3, 1).numpy())
    return means
