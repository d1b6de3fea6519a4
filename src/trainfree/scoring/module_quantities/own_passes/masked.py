"""Codes of a module's pass with masked convolutions and layer normalisation (NCD)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainfree.scoring.module_quantities.codes import Code, CodeKernel, watch_codes
from trainfree.scoring.modules.conditions import Affine, scaled
from trainfree.scoring.modules.inputs import Inputs, batch_size
from trainfree.scoring.modules.structure import Structure
from trainfree.scoring.placement import to_device
from trainfree.scoring.quantities.formulas import distinct_patterns
from trainfree.scoring.quantities.own_passes.masking import (
    MaskedCodes,
    drawn_mask,
    layer_normalised,
    nothing_masked,
)


def masked_codes(
    model: nn.Module, inputs: Inputs, structure: Structure, rng: np.random.Generator
) -> MaskedCodes:
    """Return the codes of all activations in such a pass.

    Raises
    ------
    UndefinedScoreError
        When the model executes no convolution.
    """
    kernel, codes, count = CodeKernel(batch_size(inputs)), [], 0

    def note(code: Code) -> None:
        kernel.add(code)
        codes.append(code.patterns())

    def mask(x: Tensor) -> Tensor:
        nonlocal count
        count += 1
        (drawn,) = to_device([drawn_mask(tuple(x.shape[1:]), rng)], x)
        return x * drawn

    def masked(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*args: Any, **kwargs: Any) -> Tensor:
            if args:
                return convolution(mask(args[0]), *args[1:], **kwargs)
            return convolution(**{**kwargs, "input": mask(kwargs["input"])})

        return run

    def rescale(number: int, x: Tensor, affine: Affine) -> Tensor:
        return scaled(layer_normalised(x, affine.epsilon), affine)

    convolutions: tuple[Any, ...] = (torch.conv1d, torch.conv2d, torch.conv3d)
    instead = {convolution: masked(convolution) for convolution in convolutions}
    watch_codes(model, inputs, structure, rescale, note, instead)
    if not count:
        raise nothing_masked()
    return MaskedCodes(kernel.matrix(), distinct_patterns(codes))
