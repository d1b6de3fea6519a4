"""Correlations between the images' responses at each ReLU (WRCor)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.backward import Gradients
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.placement import on_cpu, to_device
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
    images = len(forward.logits)
    if on_cpu(forward.logits):
        kernel = np.zeros((images, images))
        for weight, response in _responses(forward, gradients):
            correlation = np.abs(correlations(response))
            if np.isfinite(correlation).all():
                kernel += weight * correlation
        return kernel
    return _on_device(forward, gradients)


def _on_device(forward: ForwardPass, gradients: Gradients) -> NDArray[np.float64]:
    images = len(forward.logits)
    weights, products = [], []
    for weight, response in _responses(forward, gradients):
        weights.append(weight)
        products.append(_products(response))
    if not products:
        return np.zeros((images, images))
    correlation = _correlations_of(torch.stack(products))
    (factors,) = to_device([np.array(weights)], correlation)
    finite = torch.isfinite(correlation).flatten(1).all(dim=1)
    defined = torch.where(finite[:, None, None], correlation.abs(), 0)
    kernel: NDArray[np.float64] = (factors[:, None, None] * defined).sum(dim=0).cpu().numpy()
    return kernel


def _products(response: Tensor) -> Tensor:
    """Return the products of the images' responses, each with mean 0 and deviation 1, (B, B).

    NaN for constant ones.
    """
    flat = (response.permute(0, 2, 3, 1) if response.dim() == 4 else response).flatten(1)
    unit = F.layer_norm(flat, flat.shape[1:], eps=0.0)
    return unit @ unit.T


def _correlations_of(products: Tensor) -> Tensor:
    """Return correlations from products of centred responses, (matrices, B, B) float64."""
    products = products.to(torch.float64)
    deviation = products.diagonal(dim1=1, dim2=2).sqrt()
    return products / deviation[:, :, None] / deviation[:, None, :]


def _responses(forward: ForwardPass, gradients: Gradients) -> Iterator[tuple[float, Tensor]]:
    """Yield what each ReLU reads and the gradient of that, with its weight, (B, …) each."""
    network = forward.network
    for source, relus in _by_source(network).items():
        modules = sum(count for _, count in relus)
        first, _ = relus[0]
        weight = modules * 2.0 ** _block_of(network, first)
        yield weight, forward.values[source]
        adjoints = [gradients.output[relu] for relu, _ in relus if relu in gradients.output]
        if adjoints:
            adjoint = torch.stack(adjoints).sum(dim=0) if len(adjoints) > 1 else adjoints[0]
            yield weight, torch.ops.aten.threshold_backward(adjoint, forward.values[first], 0)


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
