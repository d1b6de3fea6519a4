"""What the gradient of each single image says.

Batch normalisation takes the statistics of the whole mini-batch, held fixed, so that an image's
output, loss and gradient are its own. Weights that are factors of products go layer by layer, for
all images at once; other modules image by image, with as many gradients in memory as fit a budget
and others computed again when they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.backend import no_gradient
from trainfree.scoring.module_quantities.gradients import Value, trainable, weight_gradients
from trainfree.scoring.module_quantities.layer_gradients import Rows, Use, layer_rows, uses_of
from trainfree.scoring.modules.conditions import Normalisation
from trainfree.scoring.modules.inputs import Inputs, batch_size, part

IMAGES = 32
_BUDGET = 2**31
"""Bytes of gradients that are kept."""
_COLUMNS = 2**18


class ImageLoss(Protocol):
    """Makes the loss of an image's output."""

    def __call__(self, output: Any, image: int) -> Tensor:
        """Return the loss of the image with this number."""


@dataclass(frozen=True)
class Singles:
    """The images whose gradients are looked at one by one, and what they are taken of.

    Parameters
    ----------
    inputs
        The first images of the mini-batch.
    parameters
        Weights that are not frozen, by name.
    normalise
        By fixed statistics, so that an image's output is its own.
    uses
        The products by these weights; None where they are used in other ways.
    """

    model: nn.Module
    inputs: Inputs
    parameters: dict[str, nn.Parameter]
    normalise: Normalisation
    uses: dict[int, Use] | None

    @property
    def images(self) -> int:
        """Number of images."""
        return batch_size(self.inputs)

    def layers(self, of: Value) -> list[Rows] | None:
        """Return what the gradients of a number of the output are products of; None where unknown.

        The number is the sum of one for each image.
        """
        if self.uses is None:
            return None
        return layer_rows(self.model, self.inputs, self.uses, self.normalise, of)

    def gradients(self, image: int, of: Value) -> dict[str, Tensor]:
        """Return the gradients of a number of one image's output by weight."""
        single = part(self.inputs, slice(image, image + 1))
        return weight_gradients(self.model, single, list(self.parameters), self.normalise, of)


def singles(
    model: nn.Module, inputs: Inputs, weights: Sequence[str], normalise: Normalisation
) -> Singles:
    """Return the first images of the inputs, and how the weights are used."""
    few, parameters = part(inputs, slice(None, IMAGES)), trainable(model, weights)
    uses = uses_of(model, few, parameters, normalise)
    return Singles(model, few, parameters, normalise, uses)


def tangent_kernel(few: Singles, logits: Callable[[Any], Tensor]) -> NDArray[np.float64]:
    """Return Θ_ij = ⟨∂ Σ f(x_i)/∂w, ∂ Σ f(x_j)/∂w⟩, (images, images).

    Raises
    ------
    UndefinedScoreError
        With −inf, when no weight is used.
    """
    parameters, images = few.parameters, few.images
    if not parameters:
        raise no_gradient()

    def of(output: Any) -> Tensor:
        return logits(output).sum()

    layers = few.layers(of)
    if layers is not None:
        total = torch.zeros(images, images, dtype=torch.float64)
        for layer in layers:
            total += layer.products().cpu()
        return total.numpy()

    def gradients(chosen: range) -> Tensor:
        found = torch.empty(len(chosen), size, dtype=dtype, device=device)
        for row, image in zip(found, chosen, strict=True):
            _fill(row, parameters, few.gradients(image, of))
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


def sign_agreement(few: Singles, loss: ImageLoss) -> float:
    """Return Σ over weights |Σ over images sign(∂ loss / ∂ w)|; NaN where one is NaN."""
    layers = few.layers(partial(_summed, loss, few.images))
    if layers is not None:
        return sum(layer.agreement() for layer in layers)
    total: dict[str, Tensor] = {}
    for image in range(few.images):
        for name, gradient in few.gradients(image, partial(loss, image=image)).items():
            if bool(gradient.isnan().any()):
                return float("nan")
            signs = gradient.sign()
            total[name] = total[name].add_(signs) if name in total else signs
    return sum(float(signs.abs().sum(dtype=torch.float64)) for signs in total.values())


def _summed(loss: ImageLoss, images: int, output: Any) -> Tensor:
    """Return the sum of the losses of single images, each of its part of the output."""
    losses = [loss(part(output, slice(i, i + 1)), i) for i in range(images)]
    return torch.stack(losses).sum()
