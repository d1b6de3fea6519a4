"""Σ |θ ⊙ ∂R/∂θ| of a module by going back through it, in double precision.

All parameters are replaced by their absolute values, the image by ones; R is the sum of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from math import inf, isfinite, log
from typing import Any

import torch
from torch import Tensor, nn

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.modules.conditions import Normalisation, OfBatch, Only, conditions
from trainfree.scoring.modules.inputs import Inputs, call, is_continuous, mapped, ones
from trainfree.scoring.modules.structure import Structure

_LN_2 = log(2.0)
_EXPONENTS = (0, 256, 512, 768, 1000)
_SAME = 1e-9


def log_synaptic_flow(
    model: nn.Module, inputs: Inputs, structure: Structure, logits: Callable[[Any], Tensor]
) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| over all weights, without batch normalisation; −inf for a sum of 0.

    R is then homogeneous in the image and the biases together. Both are divided by a power of two,
    and so is what goes back, as far as values need it to stay in range; that changes no digit.

    Raises
    ------
    UndefinedScoreError
        When R is not homogeneous: activations other than ReLU, softmax or layer normalisation make
        the sum depend on the scale of the image of ones.
    """
    _require_image(inputs)
    parameters = _positive(model)
    for exponent in _EXPONENTS:
        scale = 2.0**-exponent
        image = ones(inputs, scale)
        scaled = {
            name: x * scale if name in structure.biases else x for name, x in parameters.items()
        }
        value, flow = _flow(model, image, scaled, structure.weights, Only(()), logits, scale)
        if not (isfinite(value) and isfinite(flow)):
            continue
        _require_homogeneous(model, image, scaled, structure, logits, value)
        return log(flow) + 2 * exponent * _LN_2 if flow != 0 else -inf
    raise UndefinedScoreError("the sum is beyond what double precision can hold")


def log_normalised_flow(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    logits: Callable[[Any], Tensor],
    reductions_only: bool,
) -> float:
    """Return it with batch normalisation, all of it or that of blocks with a stride."""
    _require_image(inputs)
    normalise = Only(_in_reductions(structure)) if reductions_only else OfBatch()
    _, flow = _flow(
        model, ones(inputs), _positive(model), structure.weights, normalise, logits, 1.0
    )
    if not isfinite(flow):
        raise UndefinedScoreError("the sum is beyond what double precision can hold")
    return log(flow) if flow != 0 else -inf


def flow_gradients(
    model: nn.Module,
    inputs: Inputs,
    weights: Collection[str],
    logits: Callable[[Any], Tensor],
) -> dict[str, Tensor]:
    """Return ∂R/∂|θ| by weight, without batch normalisation; weights without any lack.

    Raises
    ------
    UndefinedScoreError
        When there is no image of ones, or a value is beyond double precision.
    """
    _require_image(inputs)
    _, known = _gone_back(model, ones(inputs), _positive(model), weights, Only(()), logits, 1.0)
    if not all(bool(torch.isfinite(gradient).all()) for gradient in known.values()):
        raise UndefinedScoreError("a gradient is beyond what double precision can hold")
    return known


def _require_image(inputs: Inputs) -> None:
    if not is_continuous(inputs):
        raise UndefinedScoreError("the inputs are integers, so there is no image of ones")


def _positive(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters, absolute values, and buffers in double precision, by name."""
    found = {name: x.detach().to(torch.float64).abs() for name, x in model.named_parameters()}
    buffers = {
        name: x.to(torch.float64) if x.is_floating_point() else x
        for name, x in model.named_buffers()
    }
    return {**found, **buffers}


def _flow(
    model: nn.Module,
    image: Inputs,
    parameters: Mapping[str, Tensor],
    weights: Collection[str],
    normalise: Normalisation,
    logits: Callable[[Any], Tensor],
    scale: float,
) -> tuple[float, float]:
    """Return R and the sum, both times ``scale`` and the sum once more."""
    total, found = _gone_back(model, image, parameters, weights, normalise, logits, scale)
    flow = sum(float((parameters[name] * g).abs().sum()) for name, g in found.items())
    return total, flow


def _gone_back(
    model: nn.Module,
    image: Inputs,
    parameters: Mapping[str, Tensor],
    weights: Collection[str],
    normalise: Normalisation,
    logits: Callable[[Any], Tensor],
    scale: float,
) -> tuple[float, dict[str, Tensor]]:
    """Return R and, by weight, its gradient times ``scale``; weights without any lack."""
    leaves = {name: parameters[name].clone().requires_grad_() for name in weights}
    with torch.enable_grad(), conditions(normalise):
        total = logits(call(model, image, {**parameters, **leaves})).sum()
        if not total.requires_grad:
            return float(total.detach()), {}
        found = torch.autograd.grad(total * scale, list(leaves.values()), allow_unused=True)
    known = {name: g for name, g in zip(leaves, found, strict=True) if g is not None}
    return float(total.detach()), known


@torch.no_grad()
def _require_homogeneous(
    model: nn.Module,
    image: Inputs,
    parameters: Mapping[str, Tensor],
    structure: Structure,
    logits: Callable[[Any], Tensor],
    value: float,
) -> None:
    """Compare with the value for half the image and half the biases, exact where it is half."""
    half = {name: x / 2 if name in structure.biases else x for name, x in parameters.items()}
    with conditions(Only(())):
        found = float(logits(call(model, mapped(image, lambda x: x / 2), half)).sum())
    if abs(2 * found - value) > _SAME * abs(value):
        raise UndefinedScoreError(
            "the network without batch normalisation is not homogeneous (activations other than "
            "ReLU, softmax or other normalisation), so the sum depends on the scale of its input"
        )


def _in_reductions(structure: Structure) -> set[int]:
    """Return the numbers of the batch normalisations in blocks with a stride."""
    found: set[int] = set()
    for start, end in pairwise((-1, *structure.end_times, inf)):
        if any(start < time <= end for time in structure.strides):
            found |= {
                number
                for number, time in enumerate(structure.normalisations)
                if start < time + 0.5 <= end
            }
    return found
