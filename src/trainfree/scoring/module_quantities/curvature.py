"""gᵀ H w by going back twice, or by differentiating twice forward where memory would not do.

Going back twice keeps a multiple of the pass in memory, forward nothing of it.
PyTorch's own forward derivatives of fused normalisations are right once and wrong when
differentiated again, and some activations have none; these are computed in plain steps here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jvp
from torch.nn import functional as F

from trainfree.scoring.module_quantities.gradients import Value, constants, trainable
from trainfree.scoring.modules.conditions import OfBatch, conditions, plainly, standardised
from trainfree.scoring.modules.inputs import Inputs, call, tensors

_NEAR = 1e-2
_BUDGET = 2**31
"""Bytes that going back twice may take."""
_COPIES = 4
"""How often it keeps the values of a pass, about."""


def gradient_curvature(
    model: nn.Module,
    inputs: Inputs,
    values: int,
    few: Inputs,
    gradients: Mapping[str, Tensor],
    of: Value,
    of_few: Value | None,
) -> float:
    """Return gᵀ H w of a number of the output, over the weights that have a gradient.

    Parameters
    ----------
    values
        Numbers that the model's operations make of the images: what going back keeps of.
    few
        Some of the images, on which going forward is compared with going back twice, which is
        taken where they differ.
    gradients
        g by weight.
    of, of_few
        The number, and the same of the output for ``few``; None where it cannot be had of those.
    """
    names = list(gradients)
    if of_few is None or _COPIES * values * tensors(inputs)[0].element_size() < _BUDGET:
        return _backward_twice(model, inputs, names, gradients, of)
    try:
        twice = _forward_twice(model, few, gradients, of_few)
    except (NotImplementedError, RuntimeError):
        return _backward_twice(model, inputs, names, gradients, of)
    expected, scale = _backward_twice_with_scale(model, few, names, gradients, of_few)
    if not abs(twice - expected) <= _NEAR * scale:
        return _backward_twice(model, inputs, names, gradients, of)
    return _forward_twice(model, inputs, gradients, of)


@torch.no_grad()
def _forward_twice(
    model: nn.Module, inputs: Inputs, gradients: Mapping[str, Tensor], of: Value
) -> float:
    fixed = constants(model)
    weights = {name: fixed[name] for name in gradients}

    def value(changed: dict[str, Tensor]) -> Tensor:
        return of(call(model, inputs, {**fixed, **changed}))

    def slope(changed: dict[str, Tensor]) -> Tensor:
        along: Tensor = jvp(value, (changed,), (dict(gradients),))[1]
        return along

    with conditions(plainly, PLAIN):
        curvature: Tensor = jvp(slope, (weights,), (weights,))[1]
    return float(curvature)


def _backward_twice(
    model: nn.Module,
    inputs: Inputs,
    names: Sequence[str],
    gradients: Mapping[str, Tensor],
    of: Value,
) -> float:
    return _backward_twice_with_scale(model, inputs, names, gradients, of)[0]


def _backward_twice_with_scale(
    model: nn.Module,
    inputs: Inputs,
    names: Sequence[str],
    gradients: Mapping[str, Tensor],
    of: Value,
) -> tuple[float, float]:
    """Return Σ w ⊙ H g and Σ |w ⊙ H g|."""
    parameters = trainable(model, names)
    leaves = list(parameters.values())
    with torch.enable_grad(), conditions(OfBatch(), PLAIN):
        value = of(call(model, inputs))
        first = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
        terms = [
            (gradient * gradients[name]).sum()
            for name, gradient in zip(parameters, first, strict=True)
            if gradient is not None and gradient.requires_grad
        ]
        if not terms:
            return 0.0, 0.0
        along = torch.stack(terms).sum()
        second = torch.autograd.grad(along, leaves, allow_unused=True)
    products = [
        leaf.detach() * change
        for leaf, change in zip(leaves, second, strict=True)
        if change is not None
    ]
    total = sum(float(product.sum(dtype=torch.float64)) for product in products)
    scale = sum(float(product.norm(1)) for product in products)
    return total, scale


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    made = standardised(input, list(range(-len(normalized_shape), 0)), eps)
    made = made if weight is None else made * weight
    return made if bias is None else made + bias


def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    shape = input.shape
    grouped = input.reshape(shape[0], num_groups, shape[1] // num_groups, prod(shape[2:]))
    made = standardised(grouped, [2, 3], eps).reshape(shape)
    channels = (1, -1, *[1] * (len(shape) - 2))
    made = made if weight is None else made * weight.view(channels)
    return made if bias is None else made + bias.view(channels)


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    if not use_input_stats:
        return F.instance_norm(
            input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
        )
    return _group_norm(input, input.shape[1], weight, bias, eps)


def _out_of_place(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(input: Tensor, inplace: bool = False) -> Tensor:
        # What is made of a clone leaves what going back needs of it as it was.
        return input.copy_(function(input.clone())) if inplace else function(input)

    return run


def _glu(input: Tensor, dim: int = -1) -> Tensor:
    first, second = input.chunk(2, dim)
    return first * torch.sigmoid(second)


PLAIN: dict[Any, Callable[..., Any]] = {
    F.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
    F.group_norm: _group_norm,
    torch.group_norm: _group_norm,
    F.instance_norm: _instance_norm,
    F.silu: _out_of_place(lambda x: x * torch.sigmoid(x)),
    F.mish: _out_of_place(lambda x: x * torch.tanh(F.softplus(x))),
    F.hardsigmoid: _out_of_place(lambda x: F.relu6(x + 3) / 6),
    F.hardswish: _out_of_place(lambda x: x * F.relu6(x + 3) / 6),
    F.glu: _glu,
}
