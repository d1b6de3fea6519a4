"""What the gradient of each single image says, image by image.

Batch normalisation takes the statistics of the whole mini-batch, held fixed, so that an image's
output, loss and gradient are its own. As many gradients are in memory as fit a budget; others are
computed again when they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.modules.conditions import Normalisation
from trainfree.scoring.modules.gradients import trainable, weight_gradients
from trainfree.scoring.modules.inputs import Inputs, part

IMAGES = 32
_BUDGET = 2**31
"""Bytes of gradients that are kept."""


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
    """Return Θ_ij = ⟨∂ Σ f(x_i)/∂w, ∂ Σ f(x_j)/∂w⟩ of the first images, (images, images)."""

    def gradients(chosen: range) -> Iterator[tuple[int, Tensor]]:
        for image in chosen:
            single = part(inputs, slice(image, image + 1))
            found = weight_gradients(
                model, single, weights, normalise, lambda output: logits(output).sum()
            )
            yield image, _flat(model, weights, found)

    return _products(gradients, images, _at_once(model, weights, images))


def _products(
    gradients: Callable[[range], Iterator[tuple[int, Tensor]]], images: int, at_once: int
) -> NDArray[np.float64]:
    """Return the products of all pairs, ``at_once`` gradients being kept."""
    kernel = np.zeros((images, images))
    for start in range(0, images, at_once):
        kept: list[Tensor] = []
        for image, gradient in gradients(range(start, images)):
            if image < start + at_once:
                kept.append(gradient)
            for other, known in enumerate(kept, start):
                product = float(known.to(torch.float64) @ gradient.to(torch.float64))
                kernel[image, other] = kernel[other, image] = product
    return kernel


def sign_agreement(
    model: nn.Module,
    inputs: Inputs,
    weights: Sequence[str],
    normalise: Normalisation,
    loss: ImageLoss,
    images: int,
) -> float:
    """Return Σ over weights |Σ over the first images sign(∂ loss / ∂ w)|."""
    total: dict[str, Tensor] = {}
    for image in range(images):
        single = part(inputs, slice(image, image + 1))
        of = partial(loss, image=image)
        found = weight_gradients(model, single, weights, normalise, of)
        for name, gradient in found.items():
            signs = gradient.sign()
            total[name] = total[name] + signs if name in total else signs
    return sum(float(signs.abs().sum(dtype=torch.float64)) for signs in total.values())


def _at_once(model: nn.Module, weights: Sequence[str], images: int) -> int:
    size = sum(x.numel() * x.element_size() for x in trainable(model, weights).values())
    return max(1, min(images, _BUDGET // max(size, 1)))


def _flat(model: nn.Module, weights: Sequence[str], found: dict[str, Tensor]) -> Tensor:
    """Return the gradients of all weights as one, zero where there is none."""
    return torch.cat(
        [
            found[name].flatten() if name in found else parameter.new_zeros(parameter.numel())
            for name, parameter in trainable(model, weights).items()
        ]
    )
