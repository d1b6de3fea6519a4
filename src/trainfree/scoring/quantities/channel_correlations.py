"""Smallest eigenvalues of the channels' correlations, layer by layer (MeCo)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.spaces.network import AvgPool, BatchNorm, Conv, MaxPool, Relu


@torch.no_grad()
def smallest_eigenvalues(forward: ForwardPass) -> float:
    """Return Σ over layers of the smallest eigenvalue of their channels' correlation matrix.

    A layer is a convolution, batch normalisation, ReLU (once for each module) or pooling; its
    channels are correlated over the positions of the first image. A correlation with a constant
    channel counts as 0.
    """
    layers: list[Tensor] = []
    for number, node in enumerate(forward.network.nodes):
        if isinstance(node, Conv | BatchNorm | Relu | AvgPool | MaxPool):
            times = node.modules if isinstance(node, Relu) else 1
            layers += [forward.first[number][0].flatten(1)] * times
    return smallest_eigenvalue_sum(layers)


def smallest_eigenvalue_sum(layers: Sequence[Tensor]) -> float:
    """Return Σ λ_min of the correlations of layers' channels, (channels, positions) each."""
    groups: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    for features in layers:
        groups[tuple(features.shape)].append(features.to(torch.float64))
    total = 0.0
    for members in groups.values():
        correlation = _correlations(torch.stack(members))
        smallest = torch.linalg.eigvalsh(correlation)[:, 0]
        total += sum(float(value) for value in smallest)
    return total


def _correlations(features: Tensor) -> Tensor:
    """Return the channels' correlations, (layers, C, positions) → (layers, C, C)."""
    centred = features - features.mean(dim=2, keepdim=True)
    norm = centred.square().sum(dim=2, keepdim=True).sqrt()
    unit = torch.where(norm > 0, centred / norm, 0.0)
    return unit @ unit.mT
