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
from trainfree.scoring.quantities.formulas import distinct_patterns
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes, Masks, layer_normalised


def masked_codes(
    model: nn.Module, inputs: Inputs, structure: Structure, rng: np.random.Generator
) -> MaskedCodes:
    """Return the codes of all activations in such a pass.

    Raises
    ------
    UndefinedScoreError
        When the model executes no convolution.
    """
    masks, kernel, codes = Masks(rng), CodeKernel(batch_size(inputs)), []

    def note(code: Code) -> None:
        kernel.add(code)
        codes.append(code.patterns())

    def masked(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*args: Any, **kwargs: Any) -> Tensor:
            if args:
                return convolution(masks(args[0]), *args[1:], **kwargs)
            return convolution(**{**kwargs, "input": masks(kwargs["input"])})

        return run

    def rescale(number: int, x: Tensor, affine: Affine) -> Tensor:
        return scaled(layer_normalised(x, affine.epsilon), affine)

    convolutions: tuple[Any, ...] = (torch.conv1d, torch.conv2d, torch.conv3d)
    instead = {convolution: masked(convolution) for convolution in convolutions}
    watch_codes(model, inputs, structure, rescale, note, instead)
    masks.require()
    return MaskedCodes(kernel.matrix(), distinct_patterns(codes))
