"""Correlations between the images' responses at each activation (WRCor)."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.module_quantities.gradients import Value, constants
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.inputs import (
    Inputs,
    batch_size,
    call,
    is_continuous,
    mapped,
    tensors,
)
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Activation, Structure
from trainfree.scoring.quantities.formulas import correlations


@dataclass
class _Group:
    """Activations that read one tensor: their responses are the same."""

    read: weakref.ref[Tensor]
    activation: Activation
    weight: float
    correlation: NDArray[np.float64]
    members: int = 1
    arrived: int = 0
    gradient: Tensor | None = None


class _Responses(Observer):
    def __init__(self, structure: Structure, images: int) -> None:
        super().__init__()
        self._structure = structure
        self._groups: list[_Group] = []
        self._latest: _Group | None = None
        self.kernel = np.zeros((images, images))

    def before_activation(self, number: int, x: Tensor) -> None:
        """Correlate what the images give an activation."""
        activation = self._structure.activations.get(number)
        self._latest = None
        if activation is None:
            return
        for group in self._groups:
            if group.read() is x:
                group.members += 1
                self._latest = group
                return
        activation.layout.require(x, len(self.kernel))
        blocks = sum(end < activation.time for end in self._structure.end_times[1:])
        correlation = np.abs(correlations(activation.layout.images_first(x.detach()).flatten(1)))
        self._latest = _Group(weakref.ref(x), activation, 2.0**blocks, correlation)
        self._groups.append(self._latest)

    def activated(self, number: int, output: Tensor) -> None:
        """Wait for the gradient that comes back through an activation."""
        group = self._latest
        if group is not None and output.grad_fn is not None:
            output.grad_fn.register_hook(self._hook(group))

    def _hook(self, group: _Group) -> Callable[[Any, Any], None]:
        def receive(gradients: tuple[Tensor | None, ...], _: Any) -> None:
            gradient = gradients[0]
            if gradient is not None:
                known = group.gradient
                group.gradient = gradient if known is None else known + gradient
            group.arrived += 1
            if group.arrived == group.members:
                self._finish(group)

        return receive

    def _finish(self, group: _Group) -> None:
        found = [group.correlation]
        if group.gradient is not None:
            images = group.activation.layout.images_first(group.gradient)
            found.append(np.abs(correlations(images.flatten(1))))
        for correlation in found:
            if np.isfinite(correlation).all():
                self.kernel += group.members * group.weight * correlation
        group.gradient, group.arrived = None, -1

    def finish(self) -> None:
        """Add the activations that no gradient came back through."""
        for group in self._groups:
            if group.arrived >= 0:
                self._finish(group)


def weighted_response_kernel(
    model: nn.Module, inputs: Inputs, structure: Structure, normalise: Normalisation, of: Value
) -> NDArray[np.float64]:
    """Return K = Σ 2ⁱ (|corr of inputs| + |corr of their gradients|) over activations, (B, B).

    The sum runs over activations that see the images; i is the number of the block one lies in.
    Activations that read one tensor are one with a multiple weight: the gradient is what comes
    back through all of them. An undefined correlation is left out.
    """
    responses = _Responses(structure, batch_size(inputs))
    with torch.enable_grad(), conditions(normalise):
        parameters, leaves = None, list(model.parameters())
        if is_continuous(inputs):
            parameters = constants(model)
            inputs = mapped(inputs, lambda x: x.detach().requires_grad_())
            leaves = tensors(inputs)  # type: ignore[assignment]
        with responses:
            output = call(model, inputs, parameters)
        value = of(output)
        if value.requires_grad:
            torch.autograd.grad(value, [x for x in leaves if x.requires_grad], allow_unused=True)
    responses.finish()
    return responses.kernel
