"""Correlations between the images' responses at each ReLU (WRCor)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from trainfree.scoring.autodiff.backward import Gradients
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.quantities.formulas import correlations
from trainfree.spaces.network import Network, Relu


@torch.no_grad()
def weighted_response_kernel(forward: ForwardPass, gradients: Gradients) -> NDArray[np.float64]:
    """Return K = Σ modules · 2ⁱ · (|corr of inputs| + |corr of their gradients|), (B, B) float64.

    The sum runs over ReLUs; i is the number of the block a ReLU lies in, the stem being block −1.
    A correlation with an image whose response is constant is undefined; that ReLU is left out.
    """
    images = len(forward.logits)
    kernel = np.zeros((images, images))
    for number, node in enumerate(forward.network.nodes):
        if not isinstance(node, Relu):
            continue
        weight = node.modules * 2.0 ** _block_of(forward.network, number)
        responses = [forward.values[node.source]]
        if number in gradients.output:
            adjoint = gradients.output[number]
            responses.append(torch.ops.aten.threshold_backward(adjoint, forward.values[number], 0))
        for response in responses:
            correlation = np.abs(correlations(response))
            if np.isfinite(correlation).all():
                kernel += weight * correlation
    return kernel


def _block_of(network: Network, number: int) -> int:
    """Return how many blocks behind the stem end before node ``number``."""
    return sum(end < number for end in network.blocks[1:])
