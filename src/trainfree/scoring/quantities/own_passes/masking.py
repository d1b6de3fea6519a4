"""What NCD does to a network while its codes are taken, whichever way the network is run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.placement import to_device

MASKED = 0.95
"""α, the share of a convolution's input that is zero."""


@dataclass(frozen=True)
class MaskedCodes:
    """Codes of a masked pass.

    Parameters
    ----------
    kernel
        K = Σ C Cᵀ + (1 − C)(1 − C)ᵀ over activations, (B, B).
    patterns
        Number of different patterns of a unit over the images.
    """

    kernel: NDArray[np.float64]
    patterns: int


class Masks:
    """Masks the inputs of convolutions, each with one of its own for all images."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.count = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Return x, (B, channels, …), times 0 with probability α and times 1 otherwise."""
        self.count += 1
        kept = self._rng.random(tuple(x.shape[1:]), dtype=np.float32) >= MASKED
        (mask,) = to_device([kept.astype(np.float32)], x)
        return x * mask

    def require(self) -> None:
        """Raise UndefinedScoreError where nothing was masked."""
        if not self.count:
            raise UndefinedScoreError("the network has no convolution to mask")


def layer_normalised(x: Tensor, epsilon: float) -> Tensor:
    """Return each image of x, (B, …), less its mean and divided by its deviation."""
    contiguous = x.contiguous()
    return F.layer_norm(contiguous, tuple(x.shape[1:]), eps=epsilon).to(
        memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format
    )
