"""What NCD does to a network while its codes are taken, whichever way the network is run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies.registry import UndefinedScoreError

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


def drawn_mask(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a mask of one convolution's input: 0 with probability α, 1 otherwise."""
    return (rng.random(shape, dtype=np.float32) >= MASKED).astype(np.float32)


def nothing_masked() -> UndefinedScoreError:
    """Return the error of a network without convolutions."""
    return UndefinedScoreError("the network has no convolution to mask")


def layer_normalised(x: Tensor, epsilon: float) -> Tensor:
    """Return each image of x, (B, …), less its mean and divided by its deviation."""
    contiguous = x.contiguous()
    return F.layer_norm(contiguous, tuple(x.shape[1:]), eps=epsilon).to(
        memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format
    )
