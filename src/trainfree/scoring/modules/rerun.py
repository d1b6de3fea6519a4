"""A module for a proxy to run again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainfree.scoring.modules.conditions import OfBatch, conditions
from trainfree.scoring.modules.head import Head
from trainfree.scoring.modules.inputs import mapped


class Rerun(nn.Module):
    """Runs a model under the conditions of scoring and returns its logits.

    Parameters
    ----------
    model
        The model; its parameters are this module's.
    head
        Picks the logits of its output.
    """

    def __init__(self, model: nn.Module, head: Head) -> None:
        super().__init__()
        self.model, self._head = model, head

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the logits; the inputs stay as they are."""
        placed, named = mapped((args, kwargs), torch.clone)
        with conditions(OfBatch()):
            return self._head.logits(self.model(*placed, **named))
