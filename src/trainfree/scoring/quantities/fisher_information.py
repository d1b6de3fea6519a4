"""The Fisher information of the first entries of the parameter tensors (VKDNW)."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.backward import backward_per_image
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.spaces.network import BatchNorm, Conv, Linear, Node

IMAGES = 16
TENSORS = 128


@torch.no_grad()
def first_entry_fisher(
    forward: ForwardPass, images: int = IMAGES, tensors: int = TENSORS
) -> Tensor:
    """Return F = mean over images of Jᵀ (diag p − p pᵀ) J, (P, P) float64.

    J (classes, P) is the Jacobian of an image's logits with respect to the first entry of each of
    the first ``tensors`` parameter tensors in the network's order, p its class probabilities.

    Parameters
    ----------
    images
        The first so many images are used; normalisation is by the statistics of all, held fixed.
    """
    part = forward.of_first(images)
    jacobian = _jacobian(part, tensors).to(torch.float64)
    probability = torch.softmax(part.logits.to(torch.float64), dim=1)
    weighted = probability[:, :, None] * jacobian
    mean = weighted.sum(dim=1)
    per_image = jacobian.mT @ weighted - mean[:, :, None] * mean[:, None, :]
    return per_image.mean(dim=0)


def _jacobian(forward: ForwardPass, tensors: int) -> Tensor:
    """Return J of each image, (B, classes, P).

    Going back costs as much for a logit as for a feature that the last linear layer reads, so it
    goes back from whichever are fewer; the layer's weights take the features to the logits.
    """
    network = forward.network
    last = network.nodes[network.output]
    entries = _FirstEntries(forward, tensors)
    if not isinstance(last, Linear) or last.in_features >= last.out_features:
        backward_per_image(forward, _one_hot(forward.logits), entries.visit)
        return entries.jacobian()
    features = forward.values[last.source]
    backward_per_image(forward, _one_hot(features), entries.visit, last.source)
    entries.to_logits(forward.parameters.weight[network.output])
    entries.visit(network.output, features, _one_hot(forward.logits))
    return entries.jacobian()


def _one_hot(output: Tensor) -> Tensor:
    """Return a cotangent for each of an output's (B, K) columns, (K, B, K)."""
    columns = output.shape[1]
    one_hot = torch.eye(columns, dtype=output.dtype, device=output.device)
    return one_hot[:, None, :].expand(columns, len(output), columns)


class _FirstEntries:
    def __init__(self, forward: ForwardPass, tensors: int) -> None:
        self._forward, self._tensors = forward, tensors
        self._columns: dict[int, list[Tensor]] = {}
        learning = (
            number
            for number, node in enumerate(forward.network.nodes)
            for _ in range(_tensors_of(node))
        )
        self._looked_at = set(islice(learning, tensors))

    def visit(self, number: int, x: Tensor, adjoints: Tensor) -> None:
        """Note the derivatives (K, B) with respect to the node's first entries."""
        if number not in self._looked_at:
            return
        node, first = self._forward.network.nodes[number], adjoints[:, :, 0]
        if isinstance(node, Conv):
            seen = _first_seen(x[:, 0], node)
            self._columns[number] = [(first * seen).sum(dim=(2, 3))]
        elif isinstance(node, Linear):
            self._columns[number] = [first * x[:, 0], first]
        elif isinstance(node, BatchNorm) and number in self._forward.statistics:
            statistics = self._forward.statistics[number]
            normal = (x[:, 0] - statistics.mean[0]) * statistics.inverse_deviation[0]
            self._columns[number] = [(first * normal).sum(dim=(2, 3)), first.sum(dim=(2, 3))]

    def to_logits(self, weight: Tensor) -> None:
        """Turn derivatives of features, (features, B), into those of logits: (classes, B)."""
        for number, columns in self._columns.items():
            self._columns[number] = [weight @ column for column in columns]

    def jacobian(self) -> Tensor:
        """Return J of each image, (B, K, P), zero for what no path joins to the output."""
        network = self._forward.network
        classes, images = self._forward.logits.shape[1], len(self._forward.logits)
        nothing = self._forward.logits.new_zeros(classes, images)
        columns = []
        for number, node in enumerate(network.nodes):
            columns += self._columns.get(number, [nothing] * _tensors_of(node))
        return torch.stack(columns[: self._tensors], dim=2).transpose(0, 1)


def _first_seen(channel: Tensor, node: Conv) -> Tensor:
    """Return what a kernel's upper left entry sees at each position, (B, height, width)."""
    if not node.padding:
        return channel[:, :: node.stride, :: node.stride]
    pad = node.padding
    padded = F.pad(channel, (pad,) * 4)
    rows, columns = (side - node.kernel + 1 for side in padded.shape[1:])
    return padded[:, : rows : node.stride, : columns : node.stride]


def _tensors_of(node: Node) -> int:
    """Return how many parameter tensors a node has."""
    if isinstance(node, Conv):
        return 1
    return 2 if isinstance(node, BatchNorm | Linear) else 0
