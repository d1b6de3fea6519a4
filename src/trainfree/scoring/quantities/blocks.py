"""What each block of a network does to features and to gradients (AZ-NAS)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.backward import backward
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.placement import on_cpu, read_numbers, to_cpu, to_device
from trainfree.scoring.quantities.formulas import (
    component_entropy,
    scatter,
    trainability,
    trainability_of,
)


@torch.no_grad()
def block_entropies(forward: ForwardPass) -> NDArray[np.float64]:
    """Return for stem and each block the entropy of its normalised principal component variances.

    The features (B · height · width, C) of a block's output have a covariance with eigenvalues λ;
    with p = λ / Σ λ the entropy is −Σ p ln(p + 1e−8). NaN for features without variance.
    """
    features = [_rows(forward.values[end]) for end in forward.network.blocks]
    scatters = to_cpu([scatter(each) for each in features])
    pairs = zip(scatters, features, strict=True)
    return np.array([component_entropy(each, len(rows)) for each, rows in pairs])


@torch.no_grad()
def block_trainabilities(forward: ForwardPass, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return for each block −σ − 1/(σ + 1e−6) + 2, from how it passes random gradients back.

    σ is the largest singular value of mean g_in g_outᵀ over images and positions, where g_out is
    random signs at the block's output and g_in the gradient at its input; for a block with
    stride, the input's positions that belong to one of the output count as channels. −inf for
    a block that passes everything on unchanged.
    """
    blocks = list(pairwise(forward.network.blocks))
    found = np.full(len(blocks), -inf)
    signs = _random_signs([forward.values[end] for start, end in blocks if start != end], rng)
    products: dict[int, Tensor] = {}
    positions: dict[int, int] = {}
    changes: dict[int, Tensor] = {}
    for place, (start, end) in enumerate(blocks):
        if start == end:
            continue
        outgoing = next(signs)
        incoming = backward(forward, {end: outgoing}, "input", stop=start).output.get(start)
        if incoming is None:
            found[place] = trainability(None, None)
            continue
        if incoming.shape == outgoing.shape:
            changes[place] = (incoming != outgoing).any()
        stride = incoming.shape[2] // outgoing.shape[2]
        incoming = F.pixel_unshuffle(incoming, stride) if stride > 1 else incoming
        products[place] = _rows(incoming).T @ _rows(outgoing)
        positions[place] = len(outgoing) * outgoing.shape[2] * outgoing.shape[3]
    unchanged = {
        place
        for place, changed in zip(changes, read_numbers(changes.values()), strict=True)
        if not changed
    }
    for place, product in zip(products, to_cpu(list(products.values())), strict=True):
        if place not in unchanged:
            found[place] = trainability_of(product, positions[place])
    return found


def _random_signs(outputs: Sequence[Tensor], rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield random signs of the shape of each output, (B, C, height, width)."""
    octets = (np.frombuffer(rng.bytes(-(-each.numel() // 8)), np.uint8) for each in outputs)
    if outputs and not on_cpu(outputs[0]):
        sent = to_device(list(octets), outputs[0].new_empty(0, dtype=torch.uint8))
        sizes = [8 * len(each) for each in sent]
        bits = iter(torch.split(_bits_of(torch.cat(sent)), sizes))
    else:
        bits = (torch.from_numpy(np.unpackbits(each)) for each in octets)
    for output, each in zip(outputs, bits, strict=True):
        signs = each[: output.numel()].reshape(output.permute(0, 2, 3, 1).shape)
        yield signs.to(output).mul_(2).sub_(1).permute(0, 3, 1, 2)


def _bits_of(octets: Tensor) -> Tensor:
    """Return the bits of octets, highest first, uint8."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=octets.device)
    return (octets[:, None] >> shifts).bitwise_and_(1).flatten()


def _rows(features: Tensor) -> Tensor:
    """Return a map as rows of channels, (B · height · width, C)."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)
