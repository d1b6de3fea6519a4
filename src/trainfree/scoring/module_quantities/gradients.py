"""Passes forward and back through a module by autograd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.inputs import Inputs, batch_size, call
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Product, Structure

Value: TypeAlias = Callable[[Any], Tensor]
"""Makes one number of a model's output."""


def weight_gradients(
    model: nn.Module, inputs: Inputs, weights: Sequence[str], normalise: Normalisation, of: Value
) -> dict[str, Tensor]:
    """Return the gradients of a number of the output by weight; weights without any lack."""
    parameters = trainable(model, weights)
    with torch.enable_grad(), conditions(normalise):
        value = of(call(model, inputs))
        return _gradients(value, parameters)


def trainable(model: nn.Module, weights: Sequence[str]) -> dict[str, nn.Parameter]:
    """Return those of the named parameters that are not frozen."""
    found = dict(model.named_parameters())
    return {name: found[name] for name in weights if found[name].requires_grad}


def constants(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters so that no gradient is kept for them."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _gradients(value: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not value.requires_grad or not parameters:
        return {}
    found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    return {
        name: gradient
        for name, gradient in zip(parameters, found, strict=True)
        if gradient is not None
    }


@dataclass
class LossPass:
    """Gradients of the loss.

    Parameters
    ----------
    weights
        By weight.
    channels
        Σ over positions of the output times its gradient, (B, channels), by the weight of the
        layer, summed over its calls.
    outputs, output_gradients
        Of each call of a layer with a weight, images first; only where they were asked for.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    channels: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    output_gradients: dict[str, Tensor] = field(default_factory=dict)


class _Outputs(Observer):
    """Keeps the outputs of layers with a weight and takes in their gradients on the way back."""

    def __init__(self, structure: Structure, found: LossPass, keep: bool) -> None:
        super().__init__()
        self._products, self._found, self._keep = structure.products, found, keep
        self._values: dict[int, Tensor] = {}
        self._calls: defaultdict[str, int] = defaultdict(int)

    def multiplied(self, number: int, output: Tensor) -> None:
        """Note an output and wait for its gradient."""
        product = self._products.get(number)
        if product is None:
            return
        self._calls[product.weight] += 1
        key = f"{product.weight}#{self._calls[product.weight]}"
        key = key.removesuffix("#1")
        self._values[number] = output.detach()
        if self._keep:
            self._found.outputs[key] = product.layout.images_first(output.detach()).clone()
        if output.requires_grad:
            edge = get_gradient_edge(output)
            edge.node.register_prehook(self._hook(number, product, edge.output_nr, key))

    def before_change(self, x: Tensor) -> None:
        """Keep what an operation is about to overwrite."""
        memory = x.untyped_storage().data_ptr()
        for number, value in self._values.items():
            if value.untyped_storage().data_ptr() == memory:
                self._values[number] = value.clone()

    def _hook(
        self, number: int, product: Product, place: int, key: str
    ) -> Callable[[tuple[Tensor, ...]], None]:
        # It must not know the node that it hangs on: neither could ever be freed.
        def receive(gradients: tuple[Tensor | None, ...]) -> None:
            gradient = gradients[place]
            if gradient is None:
                return
            value, layout = self._values[number], product.layout
            response = layout.channels_second(value * gradient, product.channels).sum(dim=2)
            self._add(product.weight, response)
            if self._keep:
                self._found.output_gradients[key] = layout.images_first(gradient).clone()

        return receive

    def _add(self, weight: str, response: Tensor) -> None:
        known = self._found.channels.get(weight)
        if known is None:
            self._found.channels[weight] = response
        elif known.shape == response.shape:
            self._found.channels[weight] = known + response
        else:  # parts of one packed weight
            self._found.channels[weight] = torch.cat([known, response], dim=1)


def loss_pass(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    of: Value,
    keep_outputs: bool = False,
) -> LossPass:
    """Return the gradients of a number of the output.

    Parameters
    ----------
    keep_outputs
        Whether outputs of layers and their gradients are wanted as they are.
    """
    found = LossPass()
    parameters = trainable(model, structure.weights)
    observer = _Outputs(structure, found, keep_outputs)
    with torch.enable_grad(), conditions(normalise):
        with observer:
            output = call(model, inputs)
        found.weights = _gradients(of(output), parameters)
    return found


class _Features(Observer):
    """Keeps the outputs of layers with a weight, channels second."""

    def __init__(self, structure: Structure, images: int) -> None:
        super().__init__()
        self._products, self._images = structure.products, images
        self._calls: defaultdict[str, int] = defaultdict(int)
        self.found: dict[str, Tensor] = {}

    def multiplied(self, number: int, output: Tensor) -> None:
        """Keep an output, as it is before anything works on it in place."""
        product = self._products.get(number)
        if product is None:
            return
        product.layout.require(output, self._images)
        self._calls[product.weight] += 1
        key = f"{product.weight}#{self._calls[product.weight]}".removesuffix("#1")
        self.found[key] = product.layout.channels_second(output, product.channels).clone()


@torch.no_grad()
def layer_features(
    model: nn.Module, inputs: Inputs, structure: Structure, normalise: Normalisation
) -> dict[str, Tensor]:
    """Return the outputs of layers with a weight, (B, channels, positions), by weight."""
    features = _Features(structure, batch_size(inputs))
    with conditions(normalise), features:
        call(model, inputs)
    return features.found
