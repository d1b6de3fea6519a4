"""Gradients of what layers add, and of what normalisations multiply by and add."""

from __future__ import annotations

import torch
from torch import Tensor

from trainfree.scoring.autodiff.backward import Gradients
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.spaces.network import BatchNorm, Linear


@torch.no_grad()
def affine_gradients(forward: ForwardPass, gradients: Gradients) -> dict[str, Tensor]:
    """Return gradients, (channels,) each, named after the node: "12.bias", "12.scale", "12.shift".

    Parameters
    ----------
    gradients
        Of ``forward``, with all adjoints. Nodes that do not reach the scalar lack here, too.
    """
    found: dict[str, Tensor] = {}
    for number, node in enumerate(forward.network.nodes):
        adjoint = gradients.output.get(number)
        if adjoint is None:
            continue
        if isinstance(node, Linear):
            found[f"{number}.bias"] = adjoint.sum(dim=0)
        elif isinstance(node, BatchNorm):
            statistics = forward.statistics[number]
            shift, deviation = statistics.mean, statistics.inverse_deviation
            standard = (forward.values[node.source] - _maps(shift)) * _maps(deviation)
            found[f"{number}.scale"] = (adjoint * standard).sum(dim=(0, 2, 3))
            found[f"{number}.shift"] = adjoint.sum(dim=(0, 2, 3))
    return found


def _maps(channels: Tensor) -> Tensor:
    return channels[None, :, None, None]
