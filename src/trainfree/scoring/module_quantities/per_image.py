"""What the gradient of each single image says.

Batch normalisation takes the statistics of the whole mini-batch, held fixed, so that an image's
output, loss and gradient are its own. Weights that are factors of products go layer by layer, for
all images at once; other modules image by image, with as many gradients in memory as fit a budget
and others computed again when they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.backend import no_gradient
from trainfree.scoring.module_quantities.gradients import trainable, weight_gradients
from trainfree.scoring.module_quantities.layer_gradients import layer_rows, uses_of
from trainfree.scoring.modules.conditions import Normalisation
from trainfree.scoring.modules.inputs import Inputs, part

IMAGES = 32
_BUDGET = 2**31
"""Bytes of gradients that are kept."""
_COLUMNS = 2**18


class ImageLoss(Protocol):
    """Makes the loss of an image's output."""

    def __call__(self, output: Any, image: int) -> Tensor:
        """Return the loss of the image with this number."""


def tangent_kernel(
    model: nn.Module,
    inputs: Inputs,
    weights: Sequence[str],
    normalise: Normalisation,
    logits: Callable[[Any], Tensor],
    images: int,
) -> NDArray[np.float64]:
    """Return Θ_ij = ⟨∂ Σ f(x_i)/∂w, ∂ Σ f(x_j)/∂w⟩ of the first images, (images, images).

    Raises
    ------
    UndefinedScoreError
        With −inf, when no weight is used.
    """
    parameters = trainable(model, weights)
    if not parameters:
        raise no_gradient()
    few = part(inputs, slice(None, images))
    uses = uses_of(model, few, parameters, normalise)
    layers = None
    if uses is not None:
        layers = layer_rows(model, few, uses, normalise, lambda output: logits(output).sum())
    if layers is not None:
        total = torch.zeros(images, images, dtype=torch.float64)
        for layer in layers:
            total += layer.products().cpu()
        return total.numpy()

    def gradients(chosen: range) -> Tensor:
        found = torch.empty(len(chosen), size, dtype=dtype, device=device)
        for row, image in zip(found, chosen, strict=True):
            single = part(inputs, slice(image, image + 1))
            of_image = weight_gradients(
                model, single, weights, normalise, lambda output: logits(output).sum()
            )
            _fill(row, parameters, of_image)
        return found

    one = next(iter(parameters.values()))
    size, dtype, device = sum(x.numel() for x in parameters.values()), one.dtype, one.device
    fit = _BUDGET // (size * one.element_size())
    at_once = images if images <= fit else max(1, fit // 2)  # of two blocks at a time
    blocks = [range(i, min(i + at_once, images)) for i in range(0, images, at_once)]
    kernel = np.zeros((images, images))
    for place, block in enumerate(blocks):
        kept = gradients(block)
        kernel[block.start : block.stop, block.start : block.stop] = _products(kept, kept)
        for other in blocks[place + 1 :]:
            products = _products(kept, gradients(other))
            kernel[block.start : block.stop, other.start : other.stop] = products
            kernel[other.start : other.stop, block.start : block.stop] = products.T
    return kernel


def _products(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Return the products of all rows, added up in double precision."""
    total = torch.zeros(len(one), len(other), dtype=torch.float64, device=one.device)
    for start in range(0, one.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        total += one[:, columns] @ other[:, columns].T
    found: NDArray[np.float64] = total.cpu().numpy()
    return found


def _fill(row: Tensor, parameters: dict[str, nn.Parameter], found: dict[str, Tensor]) -> None:
    """Write the gradients of all weights one after the other, zero where there is none."""
    start = 0
    for name, parameter in parameters.items():
        place = row[start : start + parameter.numel()]
        if name in found:
            place.copy_(found[name].flatten())
        else:
            place.zero_()
        start += parameter.numel()


def sign_agreement(
    model: nn.Module,
    inputs: Inputs,
    weights: Sequence[str],
    normalise: Normalisation,
    loss: ImageLoss,
    images: int,
) -> float:
    """Return Σ over weights |Σ over the first images sign(∂ loss / ∂ w)|; NaN where one is NaN."""
    few = part(inputs, slice(None, images))
    uses = uses_of(model, few, trainable(model, weights), normalise)
    layers = None
    if uses is not None:
        layers = layer_rows(model, few, uses, normalise, partial(_summed, loss, images))
    if layers is not None:
        return sum(layer.agreement() for layer in layers)
    total: dict[str, Tensor] = {}
    for image in range(images):
        single = part(inputs, slice(image, image + 1))
        of = partial(loss, image=image)
        found = weight_gradients(model, single, weights, normalise, of)
        for name, gradient in found.items():
            if bool(gradient.isnan().any()):
                return float("nan")
            signs = gradient.sign()
            total[name] = total[name].add_(signs) if name in total else signs
    return sum(float(signs.abs().sum(dtype=torch.float64)) for signs in total.values())


def _summed(loss: ImageLoss, images: int, output: Any) -> Tensor:
    """Return the sum of the losses of single images, each of its part of the output."""
    losses = [loss(part(output, slice(i, i + 1)), i) for i in range(images)]
    return torch.stack(losses).sum()
