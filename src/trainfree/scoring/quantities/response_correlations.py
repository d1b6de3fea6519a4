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
    ReLUs that read the same map are one with all their modules: the gradient is what comes back
    through all of them. A correlation with an image whose response is constant is undefined; it is
    left out.
    """
    network, images = forward.network, len(forward.logits)
    kernel = np.zeros((images, images))
    for source, relus in _by_source(network).items():
        modules = sum(count for _, count in relus)
        first, _ = relus[0]
        responses = [forward.values[source]]
        adjoints = [gradients.output[relu] for relu, _ in relus if relu in gradients.output]
        if adjoints:
            adjoint = torch.stack(adjoints).sum(dim=0) if len(adjoints) > 1 else adjoints[0]
            responses.append(torch.ops.aten.threshold_backward(adjoint, forward.values[first], 0))
        for response in responses:
            correlation = np.abs(correlations(response))
            if np.isfinite(correlation).all():
                kernel += modules * 2.0 ** _block_of(network, first) * correlation
    return kernel


def _by_source(network: Network) -> dict[int, list[tuple[int, int]]]:
    """Return the ReLUs that read each node, (number, modules)."""
    found: dict[int, list[tuple[int, int]]] = {}
    for number, node in enumerate(network.nodes):
        if isinstance(node, Relu):
            found.setdefault(node.source, []).append((number, node.modules))
    return found


def _block_of(network: Network, number: int) -> int:
    """Return how many blocks behind the stem end before node ``number``."""
    return sum(end < number for end in network.blocks[1:])
