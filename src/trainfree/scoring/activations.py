"""One forward pass that collects the kernels of the ReLU codes.

For the binary code C (B × D) of a ReLU, C Cᵀ + (1 − C)(1 − C)ᵀ = D − r 1ᵀ − 1 rᵀ + 2 C Cᵀ with
r = diag(C Cᵀ), so one product is enough. Its entries are whole numbers below 2²⁴ and exact in
float32. ReLUs that read the same node have the same code: it is computed once and weighted by the
number of modules. The pass runs in train mode (batch statistics), without gradients, channels
last, and computes only what some ReLU depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.clock import PhaseClock
from trainfree.spaces.network import Add, AvgPool, BatchNorm, Conv, Input, Network, Relu, Zeros

BATCH_NORM_EPSILON = 1e-5
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class ReluKernels:
    """The kernel of one architecture in both countings, float64 with whole numbers, (B, B)."""

    per_module: NDArray[np.float64]
    official: NDArray[np.float64]


@torch.inference_mode()
def relu_kernels(
    network: Network, weights: Mapping[int, Tensor], batch: Tensor, clock: PhaseClock
) -> ReluKernels:
    """Run ``batch`` through the network and return the kernels of its ReLU codes.

    Parameters
    ----------
    network
        The network; its output layer is not executed.
    weights
        Convolution weights by node number, on the device of ``batch``.
    batch
        Images, (B, 3, height, width) float32, channels last.
    clock
        Receives the phases ``forward`` and ``kernel``.
    """
    multiplicities = _relus_by_source(network)
    kernels = np.zeros((2, len(batch), len(batch)))
    needed = network.ancestors(multiplicities)
    last_reader = _last_readers(network, needed)
    values: dict[int, Tensor] = {}
    for number in sorted(needed):
        with clock.phase("forward"):
            values[number] = _execute(network, number, weights, values, batch)
        if number in multiplicities:
            with clock.phase("kernel"):
                once, official = multiplicities[number]
                kernel = _code_kernel(values[number])
                kernels[0] += once * kernel
                kernels[1] += official * kernel
        for source in set(network.nodes[number].sources):
            if last_reader[source] == number:
                del values[source]
    return ReluKernels(*kernels)


def _relus_by_source(network: Network) -> dict[int, tuple[int, int]]:
    """Return, for each node some ReLU reads, how often it counts once-each and officially."""
    found: dict[int, tuple[int, int]] = {}
    for node in network.nodes:
        if isinstance(node, Relu):
            once, official = found.get(node.source, (0, 0))
            calls = 2 * node.modules if node.wrapped else node.modules
            found[node.source] = (once + node.modules, official + calls)
    return found


def _last_readers(network: Network, needed: set[int]) -> dict[int, int]:
    last: dict[int, int] = {}
    for number in sorted(needed):
        for source in network.nodes[number].sources:
            last[source] = number
    return last


def _execute(
    network: Network,
    number: int,
    weights: Mapping[int, Tensor],
    values: dict[int, Tensor],
    batch: Tensor,
) -> Tensor:
    node = network.nodes[number]
    match node:
        case Input():
            return batch
        case Zeros():
            shape = (len(batch), *network.shapes[number])
            return batch.new_zeros(shape).contiguous(memory_format=torch.channels_last)
        case Conv(source=source):
            return F.conv2d(
                values[source], weights[number], stride=node.stride, padding=node.padding
            )
        case BatchNorm(source=source):
            return F.batch_norm(values[source], None, None, training=True, eps=BATCH_NORM_EPSILON)
        case Relu(source=source):
            return F.relu(values[source])
        case AvgPool(source=source):
            return _average(values[source], node)
        case Add(sources=sources):
            total = values[sources[0]] + values[sources[1]]
            for source in sources[2:]:
                total += values[source]
            return total
    raise TypeError(f"{type(node).__name__} has no place before a ReLU")


def _average(x: Tensor, node: AvgPool) -> Tensor:
    """Average pooling as a convolution of each channel with itself.

    torch's own average pooling takes six times as long for channels-last images on a CPU.
    """
    geometry = (node.kernel, node.stride, node.padding)
    window, correction = _averaging_window(geometry, tuple(x.shape[1:]), x.dtype, x.device)
    channels = x.shape[1]
    mean = F.conv2d(x, window, stride=node.stride, padding=node.padding, groups=channels)
    return mean if correction is None else mean.mul_(correction)


@cache
def _averaging_window(
    geometry: tuple[int, int, int],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """Return the window's weights, and what undoes the padding's share of the mean."""
    kernel, stride, padding = geometry
    channels, height, width = shape
    window = torch.full((channels, 1, kernel, kernel), 1 / kernel**2, dtype=dtype, device=device)
    if padding == 0:
        return window, None
    ones = torch.ones(1, 1, height, width, dtype=torch.float64, device=device)
    covered = F.avg_pool2d(ones, kernel, stride, padding, count_include_pad=True)
    return window, covered.reciprocal().to(dtype)


def _code_kernel(x: Tensor) -> NDArray[np.float64]:
    """Return C Cᵀ + (1 − C)(1 − C)ᵀ for the code C of ``x > 0``, (B, B) float64."""
    flat = x.permute(0, 2, 3, 1).flatten(1)
    code = torch.gt(flat, 0, out=torch.empty_like(flat))  # as numbers at once, not as booleans
    units = code.shape[1]
    both = np.zeros((len(code), len(code)))
    for part in torch.split(code, _EXACT_IN_FLOAT32 - 1, dim=1):
        both += (part @ part.T).cpu().numpy()
    own = both.diagonal()
    return units - own[:, None] - own[None, :] + 2 * both
