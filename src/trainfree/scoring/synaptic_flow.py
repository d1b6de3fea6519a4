"""Σ |θ ⊙ ∂R/∂θ| by one forward pass.

With non-negative weights and inputs all ReLUs are open and R is a polynomial in the weights that is
homogeneous of degree one in each layer. By Euler's theorem the sum over one layer's weights is the
derivative of R along that layer's scale, and the sum over all layers is dR(eᵗθ)/dt at t = 0. The
pass carries the pair (value, derivative) through the network: a layer with weights maps (h, h') to
(W h, W h' + W h), everything else maps both alike. A positive image of ones makes every number
positive, so nothing cancels. The image being constant, maps are computed only as far as their
border is felt (:mod:`trainfree.scoring.borders`). The pair is rescaled by powers of two on the way,
with the exponent kept aside, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import frexp, inf, log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from trainfree.scoring.borders import expand, reduced_sizes, source_size
from trainfree.scoring.convolution import can_convolve, convolve_plainly
from trainfree.scoring.fused import average
from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    Network,
    Relu,
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
    return log(flow) + exponent * _LN_2 if flow > 0 else -inf


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
        case GlobalAvgPool(source=source):
            pair, exponent = read(source, network.shapes[source][1])
            return pair.mean(axis=(1, 2)), exponent
        case Add(sources=sources):
            return _add([read(source, size) for source in sources])


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


def _add(summands: list[_Scaled]) -> _Scaled:
    """Add after bringing all to the largest exponent; what underflows was below the last bit."""
    top = max(exponent for _, exponent in summands)
    if any(exponent != top for _, exponent in summands):
        summands = [summand for summand in summands if summand[0].any()] or summands[:1]
        top = max(exponent for _, exponent in summands)
    total = np.zeros_like(summands[0][0])
    for pair, exponent in summands:
        total += pair if exponent == top else pair * 2.0 ** max(exponent - top, _SMALLEST_EXPONENT)
    return total, top
