"""Gradients of what layers add, and of what normalisations multiply by and add."""

from __future__ import annotations

import torch
from torch import Tensor

from trainfree.scoring.autodiff.backward import Gradients
from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, ForwardPass
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
            found[f"{number}.scale"], found[f"{number}.shift"] = _of_normalisation(
                forward, number, node.source, adjoint
            )
    return found


def _of_normalisation(
    forward: ForwardPass, number: int, source: int, adjoint: Tensor
) -> tuple[Tensor, Tensor]:
    """Return Σ over images and positions of adjoint times output, and of the adjoint."""
    statistics = forward.statistics[number]
    _, scale, shift = torch.ops.aten.native_batch_norm_backward(
        adjoint,
        forward.values[source],
        torch.ones_like(statistics.mean),
        None,
        None,
        statistics.mean,
        statistics.inverse_deviation,
        True,
        BATCH_NORM_EPSILON,
        [False, True, True],
    )
    return scale, shift
