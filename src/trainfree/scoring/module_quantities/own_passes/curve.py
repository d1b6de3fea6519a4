"""Curvature of a module's outputs along a circle of inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.module_quantities.curvature import PLAIN
from trainfree.scoring.module_quantities.gradients import constants
from trainfree.scoring.modules.conditions import conditions, plainly
from trainfree.scoring.modules.inputs import Inputs, call, is_continuous, mapped, tensors
from trainfree.scoring.quantities.own_passes.circle import circle_axes, extrinsic_curvature


def output_curvature(
    model: nn.Module,
    inputs: Inputs,
    logits: Callable[[Any], Tensor],
    rng: np.random.Generator,
) -> float:
    """Return the curvature; all tensors of an input together make a point of the circle.

    Raises
    ------
    UndefinedScoreError
        When the inputs are whole numbers, or with −inf, when the output does not depend on them.
    """
    if not is_continuous(inputs):
        raise UndefinedScoreError("the inputs are integers, so there is no circle of inputs")
    parts, fixed = tensors(inputs), constants(model)
    sizes = [part[0].numel() for part in parts]

    def outputs(point: Tensor) -> Tensor:
        pieces = iter(torch.split(point, sizes))
        image = mapped(inputs, lambda x: next(pieces).view(1, *x.shape[1:]).to(x))
        with conditions(plainly, PLAIN):
            return logits(call(model, image, fixed))

    return extrinsic_curvature(outputs, circle_axes(sum(sizes), rng), parts[0])
