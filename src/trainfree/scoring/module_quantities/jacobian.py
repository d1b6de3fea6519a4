"""How the output depends on the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.module_quantities.gradients import constants
from trainfree.scoring.modules.conditions import OfBatch, conditions
from trainfree.scoring.modules.inputs import Inputs, call, is_continuous, mapped, tensors


def input_jacobian(
    model: nn.Module, inputs: Inputs, logits: Callable[[Any], Tensor]
) -> NDArray[np.float64]:
    """Return ∂ Σ logits / ∂ images, (B, D).

    Raises
    ------
    UndefinedScoreError
        When the inputs are whole numbers; with −inf, when the Jacobian is zero.
    """
    if not is_continuous(inputs):
        raise UndefinedScoreError("the inputs are integers, which have no Jacobian")
    variable = mapped(inputs, lambda x: x.detach().requires_grad_())
    parameters = constants(model)
    with torch.enable_grad(), conditions(OfBatch()):
        total = logits(call(model, variable, parameters)).sum()
        leaves = tensors(variable)
        found: Sequence[Tensor | None] = [None] * len(leaves)
        if total.requires_grad:
            found = torch.autograd.grad(total, leaves, allow_unused=True)
    rows = torch.cat(
        [
            (torch.zeros_like(leaf) if gradient is None else gradient).flatten(1)
            for leaf, gradient in zip(leaves, found, strict=True)
        ],
        dim=1,
    )
    if not bool(rows.any()):
        raise UndefinedScoreError("the output does not depend on the input", score=-np.inf)
    jacobian: NDArray[np.float64] = rows.detach().to(torch.float64).cpu().numpy()
    return jacobian
