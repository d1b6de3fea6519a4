"""Σ |θ ⊙ ∂R/∂θ| by one forward pass.

With non-negative weights and inputs all ReLUs are open and R is a polynomial in the weights that is
homogeneous of degree one in each layer. By Euler's theorem the sum over one layer's weights is the
derivative of R along that layer's scale, and the sum over all layers is dR(eᵗθ)/dt at t = 0. The
pass carries the pair (value, derivative) through the network: a layer with weights maps (h, h') to
(W h, W h' + W h), maximum pooling takes both where the value is largest, everything else maps both
alike. A positive image of ones makes every number positive, so nothing cancels. The image being
constant, maps are computed only as far as their border is felt
(:mod:`trainfree.scoring.cpu_engine.constant_image`). The pair is rescaled by powers of two on the
way, with the exponent kept aside, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import frexp, inf, log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.constant_image import expand, reduced_sizes, source_size
from trainfree.scoring.cpu_engine.convolution import can_convolve, convolve_plainly
from trainfree.scoring.cpu_engine.copies import shift
from trainfree.scoring.cpu_engine.fused import average
from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Network,
    Relu,
    Shift,
    Truncate,
    Zeros,
)

_LN_2 = log(2.0)
_FREE_EXPONENT = 128
"""Powers of two that are left alone: a layer multiplies by far less than 2 to the rest."""
_SMALLEST_EXPONENT = -1074
_Pair = NDArray[np.float64]
"""(value, derivative), shape (2, height, width, C) or (2, features)."""
_Scaled = tuple[_Pair, int]
"""A pair and the power of two it is divided by."""


def log_synaptic_flow(network: Network, weights: Mapping[int, NDArray[Any]]) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| over convolution and linear weights; −inf for a sum of zero.

    Parameters
    ----------
    network
        The network; batch normalisation is left out.
    weights
        Weights by node number, any sign, (out, in, kernel, kernel) or (out, in).
    """
    sizes = reduced_sizes(network)
    values: dict[int, _Scaled] = {}
    for number in sorted(network.ancestors([network.output])):
        values[number] = _execute(network, number, weights, values, sizes)
    pair, exponent = values[network.output]
    flow = float(pair[1].sum())
    return log(flow) + exponent * _LN_2 if flow != 0 else -inf


def _execute(
    network: Network,
    number: int,
    weights: Mapping[int, NDArray[Any]],
    values: dict[int, _Scaled],
    sizes: Sequence[int],
) -> _Scaled:
    node, size = network.nodes[number], sizes[number]

    def read(source: int, side: int) -> _Scaled:
        pair, exponent = values[source]
        return expand(pair, side), exponent

    match node:
        case Input() | Zeros():
            pair = np.zeros((2, size, size, network.shapes[number][0]))
            pair[0] = 1.0 if isinstance(node, Input) else 0.0
            return pair, 0
        case Conv(source=source):
            side = source_size(network, number, size)
            return _weigh(node, weights[number], *read(source, side))
        case Linear(source=source):
            return _weigh(node, weights[number], *values[source])
        case BatchNorm(source=source) | Relu(source=source):
            return values[source]
        case AvgPool(source=source):
            pair, exponent = read(source, source_size(network, number, size))
            return average(pair, node.kernel, node.stride, node.padding), exponent
        case MaxPool(source=source):
            pair, exponent = read(source, source_size(network, number, size))
            return _largest(node, pair), exponent
        case GlobalAvgPool(source=source):
            pair, exponent = read(source, network.shapes[source][1])
            return pair.mean(axis=(1, 2)), exponent
        case Add(sources=sources):
            return _add([read(source, size) for source in sources])
        case Concat(sources=sources):
            pairs, top = _aligned([read(source, size) for source in sources])
            return np.concatenate(pairs, axis=3), top
        case Truncate(source=source):
            pair, exponent = read(source, size)
            return np.ascontiguousarray(pair[..., : node.channels]), exponent
        case Shift(source=source):
            pair, exponent = read(source, size)
            return shift(pair), exponent
        case _:
            raise TypeError(f"{type(node).__name__} is not supported here")


def _weigh(node: Conv | Linear, weight: NDArray[Any], pair: _Pair, exponent: int) -> _Scaled:
    weight = np.abs(weight).astype(np.float64)
    if isinstance(node, Linear):
        result = pair @ weight.T
    elif can_convolve(weight):
        result = convolve_plainly(pair, weight, node.stride, node.padding)
    else:
        result = _convolve_with_torch(node, weight, pair)
    result[1] += result[0]
    return _rescale(result, exponent)


def _convolve_with_torch(node: Conv, weight: NDArray[np.float64], pair: _Pair) -> _Pair:
    images = torch.from_numpy(pair).permute(0, 3, 1, 2)
    made = F.conv2d(images, torch.from_numpy(weight), stride=node.stride, padding=node.padding)
    return np.ascontiguousarray(made.permute(0, 2, 3, 1).numpy())


def _rescale(pair: _Pair, exponent: int) -> _Scaled:
    """Divide very large or small pairs by a power of two; exact, so no bit is lost."""
    _, shift = frexp(float(pair.max()))
    if abs(shift) < _FREE_EXPONENT:
        return pair, exponent
    return pair * 2.0**-shift, exponent + shift


def _largest(node: MaxPool, pair: _Pair) -> _Pair:
    """Take value and derivative from the first place of each window where the value is largest."""
    pad = node.padding
    around = ((pad, pad), (pad, pad), (0, 0))
    value = np.pad(pair[0], around, constant_values=-inf)
    derivative = np.pad(pair[1], around)
    rows, columns = (
        (side - node.kernel) // node.stride * node.stride + 1 for side in value.shape[:2]
    )
    windows = [
        (slice(top, top + rows, node.stride), slice(left, left + columns, node.stride))
        for top in range(node.kernel)
        for left in range(node.kernel)
    ]
    best = np.stack([value[windows[0]], derivative[windows[0]]])
    for window in windows[1:]:
        seen = np.stack([value[window], derivative[window]])
        best = np.where(seen[0] > best[0], seen, best)
    return best


def _add(summands: list[_Scaled]) -> _Scaled:
    pairs, top = _aligned(summands)
    total = np.zeros_like(pairs[0])
    for pair in pairs:
        total += pair
    return total, top


def _aligned(parts: list[_Scaled]) -> tuple[list[_Pair], int]:
    """Bring all to the largest exponent; what underflows was below the last bit of a sum."""
    exponents = {exponent for _, exponent in parts}
    if len(exponents) == 1:
        return [pair for pair, _ in parts], exponents.pop()
    top = max((exponent for pair, exponent in parts if pair.any()), default=0)
    shifts = [min(max(exponent - top, _SMALLEST_EXPONENT), 0) for _, exponent in parts]
    return [
        pair * 2.0**shift if shift else pair for (pair, _), shift in zip(parts, shifts, strict=True)
    ], top
