"""Smallest eigenvalues of the channels' correlations, layer by layer (MeCo)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.quantities.formulas import smallest_eigenvalue_sum
from trainfree.spaces.network import AvgPool, BatchNorm, Conv, MaxPool, Relu


@torch.no_grad()
def smallest_eigenvalues(forward: ForwardPass) -> float:
    """Return Σ over layers of the smallest eigenvalue of their channels' correlation matrix.

    A layer is a convolution, batch normalisation, ReLU (once for each module) or pooling; its
    channels are correlated over the positions of the first image. A correlation with a constant
    channel counts as 0.
    """
    layers: list[tuple[int, Tensor]] = []
    for number, node in enumerate(forward.network.nodes):
        if isinstance(node, Conv | BatchNorm | Relu | AvgPool | MaxPool):
            times = node.modules if isinstance(node, Relu) else 1
            layers.append((times, forward.first[number][0].flatten(1)))
    return smallest_eigenvalue_sum(layers)
