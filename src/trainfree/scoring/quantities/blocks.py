"""What each block of a network does to features and to gradients (AZ-NAS)."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.backward import backward
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.quantities.formulas import entropy, trainability


@torch.no_grad()
def block_entropies(forward: ForwardPass) -> NDArray[np.float64]:
    """Return for stem and each block the entropy of its normalised principal component variances.

    The features (B · height · width, C) of a block's output have a covariance with eigenvalues λ;
    with p = λ / Σ λ the entropy is −Σ p ln(p + 1e−8). NaN for features without variance.
    """
    return np.array([entropy(_rows(forward.values[end])) for end in forward.network.blocks])


@torch.no_grad()
def block_trainabilities(forward: ForwardPass, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return for each block −σ − 1/(σ + 1e−6) + 2, from how it passes random gradients back.

    σ is the largest singular value of mean g_in g_outᵀ over images and positions, where g_out is
    random signs at the block's output and g_in the gradient at its input; for a block with
    stride, the input's positions that belong to one of the output count as channels. −inf for
    a block that passes everything on unchanged.
    """
    ends = forward.network.blocks
    return np.array([_trainability(forward, start, end, rng) for start, end in pairwise(ends)])


def _trainability(forward: ForwardPass, start: int, end: int, rng: np.random.Generator) -> float:
    output = forward.values[end]
    if start == end:
        return -inf
    signs = np.unpackbits(np.frombuffer(rng.bytes(-(-output.numel() // 8)), np.uint8))
    signs = signs[: output.numel()].reshape(output.permute(0, 2, 3, 1).shape)
    outgoing = torch.from_numpy(signs).to(output).mul_(2).sub_(1).permute(0, 3, 1, 2)
    adjoints = backward(forward, {end: outgoing}, "input", stop=start).output
    if start not in adjoints:
        return trainability(None, None)
    incoming = adjoints[start]
    if incoming.shape == outgoing.shape and bool((incoming == outgoing).all()):
        return -inf
    stride = incoming.shape[2] // outgoing.shape[2]
    incoming = F.pixel_unshuffle(incoming, stride) if stride > 1 else incoming
    return trainability(_rows(incoming), _rows(outgoing))


def _rows(features: Tensor) -> Tensor:
    """Return a map as rows of channels, (B · height · width, C)."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)
