"""Σ |θ ⊙ ∂R/∂θ| with batch normalisation left in, everywhere or in some places.

With normalisation R is no polynomial of the weights and terms cancel, so this goes back through the
network, in double precision, for one image of ones.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf, log

import torch

from trainfree.scoring.autodiff.backward import backward
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.spaces.network import AvgPool, BatchNorm, Conv, MaxPool, Network


def log_normalised_flow(
    network: Network, parameters: Parameters, normalised: Collection[int], device: torch.device
) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| over convolution and linear weights; −inf for a sum of zero.

    Parameters
    ----------
    parameters
        Any sign: the absolute values are taken.
    normalised
        Numbers of the batch normalisations that stay.
    """
    positive = Parameters(
        {number: weight.to(torch.float64).abs() for number, weight in parameters.weight.items()},
        {number: bias.to(torch.float64).abs() for number, bias in parameters.bias.items()},
    )
    ones = torch.ones(1, *network.shapes[0], dtype=torch.float64, device=device)
    forward = record(
        network, positive, ones.contiguous(memory_format=torch.channels_last), normalised
    )
    gradients = backward(forward, {network.output: torch.ones_like(forward.logits)}, "weights")
    flow = sum(
        float((positive.weight[number] * gradient).abs().sum())
        for number, gradient in gradients.weight.items()
    )
    return log(flow) if flow > 0 else -inf


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
