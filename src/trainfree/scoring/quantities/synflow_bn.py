"""Σ |θ ⊙ ∂R/∂θ| with batch normalisation left in, everywhere or in some places.

With normalisation R is no polynomial of the weights and terms cancel, so this goes back through the
network, in double precision, for one image of ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf, log

import torch
from torch import Tensor

from trainfree.scoring.autodiff.backward import backward
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.scoring.placement import at_once, numbers_by_layer
from trainfree.spaces.network import AvgPool, BatchNorm, Conv, MaxPool, Network


@torch.no_grad()
def positive_weights(parameters: Parameters) -> Parameters:
    """Return the absolute values of all parameters, float64."""
    given = [*parameters.weight.values(), *parameters.bias.values()]
    made = at_once(lambda values: values.to(torch.float64).abs(), given)
    count = len(parameters.weight)
    return Parameters(
        dict(zip(parameters.weight, made[:count], strict=True)),
        dict(zip(parameters.bias, made[count:], strict=True)),
    )


@torch.no_grad()
def flow_gradients(
    network: Network, positive: Parameters, normalised: Collection[int]
) -> Mapping[int, Tensor]:
    """Return ∂R/∂|θ| by node number; nodes that do not reach R lack.

    Parameters
    ----------
    positive
        From :func:`positive_weights`.
    normalised
        Numbers of the batch normalisations that stay.
    """
    device = next(iter(positive.weight.values())).device
    ones = torch.ones(1, *network.shapes[0], dtype=torch.float64, device=device)
    forward = record(
        network, positive, ones.contiguous(memory_format=torch.channels_last), normalised
    )
    return backward(forward, {network.output: torch.ones_like(forward.logits)}, "weights").weight


@torch.no_grad()
def log_normalised_flow(
    network: Network, positive: Parameters, normalised: Collection[int]
) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| over convolution and linear weights; −inf for a sum of zero.

    Parameters
    ----------
    positive
        From :func:`positive_weights`.
    normalised
        Numbers of the batch normalisations that stay.
    """
    gradients = flow_gradients(network, positive, normalised)
    flow = sum(numbers_by_layer(_moved, gradients, positive.weight))
    return log(flow) if flow != 0 else -inf


def _moved(gradient: Tensor, weight: Tensor) -> Tensor:
    return (weight * gradient).abs().sum()


def normalisations(network: Network, reductions_only: bool) -> set[int]:
    """Return the numbers of all batch normalisations, or of those in blocks with a stride."""
    found, start = set(), 0
    for end in (*network.blocks, network.output):
        block = range(start, end + 1)
        strided = any(_stride(network, n) > 1 for n in block)
        if strided or not reductions_only:
            found |= {n for n in block if isinstance(network.nodes[n], BatchNorm)}
        start = end + 1
    return found


def _stride(network: Network, number: int) -> int:
    node = network.nodes[number]
    return node.stride if isinstance(node, Conv | AvgPool | MaxPool) else 1
