"""Formulas of matrices alone, whichever way these were computed.

Networks as data and torch modules share them: nothing of the engine may be imported here, or an
edit of it would compute the scores of modules anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.compilation import compiled

MIX = 1e-2
"""How much of a second Gaussian input is added to the first (Zen)."""
MOMENTUM = 0.1
"""Of the running variances (Zen)."""
_EPSILON = 1e-8
_TRAINABILITY_EPSILON = 1e-6
_WORD = 64


def ascending_eigenvalues(fisher: Tensor) -> NDArray[np.float64]:
    """Return the eigenvalues, ascending; NaN where the information is not finite."""
    if not bool(torch.isfinite(fisher).all()):
        return np.full(len(fisher), np.nan)
    found: NDArray[np.float64] = torch.linalg.eigvalsh(fisher).cpu().numpy()
    return found


def entropy(rows: Tensor) -> float:
    """Return the entropy of the principal components of features, (positions, channels)."""
    centred = rows - rows.mean(dim=0)
    covariance = (centred.T @ centred).to(torch.float64) / len(rows)
    eigenvalues = torch.linalg.eigvalsh(covariance).clamp(min=0)
    share = eigenvalues / eigenvalues.sum()
    return float(-(share * (share + _EPSILON).log()).sum())


def trainability(incoming: Tensor | None, outgoing: Tensor | None) -> float:
    """Return −σ − 1/(σ + 1e−6) + 2 of gradients at a block's input and output.

    Parameters
    ----------
    incoming, outgoing
        (positions, channels) each; None where no path joins the two.
    """
    sigma = 0.0
    if incoming is not None and outgoing is not None:
        matrix = (incoming.T @ outgoing).to(torch.float64) / len(outgoing)
        sigma = float(torch.linalg.svdvals(matrix).max())
    return -sigma - 1 / (sigma + _TRAINABILITY_EPSILON) + 2


def smallest_eigenvalue_sum(layers: Sequence[tuple[int, Tensor]]) -> float:
    """Return Σ λ_min of the correlations of layers' channels, (channels, positions) each.

    With each layer stands how often it counts.
    """
    groups: dict[tuple[int, ...], list[tuple[int, Tensor]]] = defaultdict(list)
    for times, features in layers:
        groups[tuple(features.shape)].append((times, features.to(torch.float64)))
    total = 0.0
    for members in groups.values():
        correlation = _correlations(torch.stack([features for _, features in members]))
        smallest = torch.linalg.eigvalsh(correlation)[:, 0]
        total += sum(
            times * float(value) for (times, _), value in zip(members, smallest, strict=True)
        )
    return total


def _correlations(features: Tensor) -> Tensor:
    """Return the channels' correlations, (layers, C, positions) → (layers, C, C)."""
    centred = features - features.mean(dim=2, keepdim=True)
    norm = centred.square().sum(dim=2, keepdim=True).sqrt()
    unit = torch.where(norm > 0, centred / norm, 0.0)
    return unit @ unit.mT


def correlations(maps: Tensor) -> NDArray[np.float64]:
    """Return Pearson's correlations of the images, (B, …) → (B, B); NaN for constant ones."""
    # In the order in which maps lie in memory: any other would copy them.
    flat = (maps.permute(0, 2, 3, 1) if maps.dim() == 4 else maps).flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    products = (centred @ centred.T).to(torch.float64).cpu().numpy()
    deviation = np.sqrt(products.diagonal())
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation: NDArray[np.float64] = products / deviation[:, None] / deviation[None, :]
    return correlation


def distinct_patterns(words: list[NDArray[np.uint64]]) -> int:
    """Return the number of different patterns of units, each (units, words of 64 images)."""
    if not words:
        return 0
    first, *others = np.concatenate(words).T
    numbers, distinct = pd.factorize(first)
    for word in others:
        further, found = pd.factorize(word)
        numbers, distinct = pd.factorize(numbers * len(found) + further)
    return len(distinct)


def distinct_rows(rows: NDArray[Any]) -> int:
    """Return the number of different rows of a matrix."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1])))
    return len(np.unique(whole))


def unit_words(code: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return each unit's pattern over the images in words of 64 bits, (units, words)."""
    words = [_pack(code[start : start + _WORD]) for start in range(0, len(code), _WORD)]
    return np.stack(words, axis=1)


@compiled(nogil=True)
def _pack(code: NDArray[np.bool_]) -> NDArray[np.uint64]:
    images, units = code.shape
    words = np.zeros(units, np.uint64)
    for image in range(images):
        shift = np.uint64(image)
        for unit in range(units):
            words[unit] |= np.uint64(code[image, unit]) << shift
    return words
