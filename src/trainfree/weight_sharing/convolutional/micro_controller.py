"""The controller of pairs of cells, and the optimizers of its and of other weights.

What the published code has beyond the plain controller (melodyguan/enas, ``micro_controller.py``):
operations are rated within a narrower range than inputs, and those of the normal cell begin with a
bias towards separable convolutions. There inputs are rated by attention to the nodes; here each
node has a layer of its own for them, as operations have.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainfree.weight_sharing.controller import Controller, Reinforce
from trainfree.weight_sharing.convolutional.cell import OPERATIONS, kinds, options
from trainfree.weight_sharing.convolutional.settings import ControllerSettings


class MicroController(Controller):
    """Chooses pairs of cells; see :func:`~trainfree.weight_sharing.convolutional.cell.pair_of`.

    Parameters
    ----------
    nodes
        Of each cell.
    settings
        Of the controller.
    seed
        Of its weights.
    """

    def __init__(self, nodes: int, settings: ControllerSettings, seed: int) -> None:
        super().__init__(
            options(nodes),
            kinds(nodes),
            hidden=settings.hidden,
            temperature=settings.temperature or None,
            tanh_constant=settings.tanh_constant or None,
            seed=seed,
        )
        self.operation, self.divisor = nodes, settings.operation_divisor
        is_separable = [name.startswith("sep") for name in OPERATIONS]
        with torch.no_grad():
            rater = self.raters[str(nodes)]
            assert isinstance(rater, nn.Linear)
            rater.bias[torch.tensor(is_separable)] = settings.convolution_start
        half = settings.convolution_bias / 2
        signs = [half if separable else -half for separable in is_separable]
        self.bias: Tensor
        self.register_buffer("bias", torch.tensor(signs), persistent=False)

    def _rated(self, ratings: Tensor, step: int) -> Tensor:
        rated = super()._rated(ratings, step)
        if self.kinds[step] != self.operation:
            return rated
        if self.tanh_constant is not None:
            rated = rated / self.divisor
        return rated + self.bias if step < len(self.kinds) // 2 else rated


def reinforce_of(controller: MicroController, settings: ControllerSettings) -> Reinforce:
    """Return what teaches a controller; its rate is set epoch by epoch."""
    weights = list(controller.parameters())
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adam":
        optimizer = torch.optim.Adam(weights, settings.rate.highest, betas=(0.0, 0.999), eps=1e-3)
    else:
        optimizer = torch.optim.SGD(weights, settings.rate.highest, momentum=0.9, nesterov=True)
    return Reinforce(
        controller,
        optimizer,
        baseline_decay=settings.baseline_decay,
        entropy_weight=settings.entropy_weight,
    )


def weights_optimizer(module: nn.Module, weight_decay: float) -> torch.optim.SGD:
    """Return what trains weights; its rate is set epoch by epoch.

    All have gradients from the start, zeros where a pair does not use them: as published, weights
    that are not used decay and keep their momentum.
    """
    weights = list(module.parameters())
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    return torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, weight_decay=weight_decay)
