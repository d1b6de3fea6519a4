"""Weights of a network at initialisation, drawn from the architecture's own stream.

All numbers of a network come from one draw in the order of its nodes, so they depend on the root
seed and the architecture's index alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from trainfree.scoring.settings.initialization import Initialization
from trainfree.spaces.network import Conv, Linear, Network


@dataclass(frozen=True)
class Weights:
    """Weights by node number, float32.

    Parameters
    ----------
    weight
        Shape (out, in, kernel, kernel) of a convolution, (out, in) of a linear layer.
    bias
        Shape (out,), of linear layers only.
    """

    weight: dict[int, NDArray[np.float32]]
    bias: dict[int, NDArray[np.float32]]


def draw_weights(
    network: Network, initialization: Initialization, rng: np.random.Generator
) -> Weights:
    """Draw all weights of ``network``.

    ``pytorch``
        The framework's default: uniform in ±1/√fan_in, biases too.
    ``xavier``
        Uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010), biases zero.
    ``kaiming``
        Normal with variance 2 / fan_in (He et al., 2015), biases zero.
    ``normal``
        Standard normal, biases zero.
    """
    uniform = initialization in ("pytorch", "xavier")
    total = sum(_size(node) for _, node in network.weighted())
    numbers = (
        rng.random(total, dtype=np.float32) if uniform else rng.standard_normal(total, np.float32)
    )
    weights = Weights({}, {})
    start = 0
    for number, node in network.weighted():
        size = prod(node.weight_shape)
        out_size, in_size, *kernel = node.weight_shape
        fans = in_size * prod(kernel), out_size * prod(kernel)
        scale = np.float32(weight_scale(*fans, initialization))
        values = numbers[start : start + _size(node)]
        if uniform:
            values *= 2
            values -= 1
        values *= scale
        weights.weight[number] = values[:size].reshape(node.weight_shape)
        if isinstance(node, Linear):
            bias = values[size:]
            weights.bias[number] = bias if initialization == "pytorch" else np.zeros_like(bias)
        start += _size(node)
    return weights


def _size(node: Conv | Linear) -> int:
    biases = node.out_features if isinstance(node, Linear) else 0
    return prod(node.weight_shape) + biases


def weight_scale(fan_in: int, fan_out: int, initialization: Initialization) -> float:
    """Return what numbers in ±1, or of a standard normal, are multiplied by."""
    if initialization == "pytorch":
        return 1 / sqrt(fan_in)
    if initialization == "xavier":
        return sqrt(6 / (fan_in + fan_out))
    if initialization == "kaiming":
        return sqrt(2 / fan_in)
    return 1.0
