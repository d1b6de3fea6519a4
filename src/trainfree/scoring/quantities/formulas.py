"""Formulas of matrices alone, whichever way these were computed.

Networks as data and torch modules share them: nothing of the engine may be imported here, or an
edit of it would compute the scores of modules anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.compilation import compiled
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.placement import to_cpu

MIX = 1e-2
"""How much of a second Gaussian input is added to the first (Zen)."""
MOMENTUM = 0.1
"""Of the running variances (Zen)."""
REGION_SIZE, REGION_BATCH, REGION_BATCHES, REGION_REPEATS = 3, 1000, 3, 3
"""Pixels along the side of inputs whose regions are counted, inputs in a pass, passes with one
draw of the weights, draws (TE-NAS)."""
_EPSILON = 1e-8
_TRAINABILITY_EPSILON = 1e-6
_WORD = 64


def ascending_eigenvalues(fisher: Tensor) -> NDArray[np.float64]:
    """Return the eigenvalues, ascending; NaN where the information is not finite."""
    matrix = fisher.cpu()  # where LAPACK takes less time than a GPU's solver
    if not bool(torch.isfinite(matrix).all()):
        return np.full(len(matrix), np.nan)
    found: NDArray[np.float64] = torch.linalg.eigvalsh(matrix).numpy()
    return found


def entropy(rows: Tensor) -> float:
    """Return the entropy of the principal components of features, (positions, channels)."""
    return component_entropy(scatter(rows).cpu(), len(rows))


def scatter(rows: Tensor) -> Tensor:
    """Return positions · covariance of features, (positions, channels) → (channels, channels)."""
    centred = rows - rows.mean(dim=0)
    return centred.T @ centred


def component_entropy(scatter: Tensor, positions: int) -> float:
    """Return −Σ p ln(p + 1e−8), p the shares of the eigenvalues of a covariance, see `scatter`."""
    # No eigenvalue is negative but by rounding, which must not decide whether there is a logarithm.
    eigenvalues = torch.linalg.eigvalsh(scatter.to(torch.float64) / positions).clamp(min=0)
    share = eigenvalues / eigenvalues.sum()
    return float(-(share * (share + _EPSILON).log()).sum())


def trainability(incoming: Tensor | None, outgoing: Tensor | None) -> float:
    """Return −σ − 1/(σ + 1e−6) + 2 of gradients at a block's input and output.

    Parameters
    ----------
    incoming, outgoing
        (positions, channels) each; None where no path joins the two.
    """
    if incoming is None or outgoing is None:
        return _trainability(0.0)
    return trainability_of((incoming.T @ outgoing).cpu(), len(outgoing))


def trainability_of(product: Tensor, positions: int) -> float:
    """Return it of Σ g_in g_outᵀ over so many positions."""
    return _trainability(float(torch.linalg.svdvals(product.to(torch.float64) / positions).max()))


def _trainability(sigma: float) -> float:
    return -sigma - 1 / (sigma + _TRAINABILITY_EPSILON) + 2


def smallest_eigenvalue_sum(layers: Sequence[tuple[int, Tensor]]) -> float:
    """Return Σ λ_min of the correlations of layers' channels, (channels, positions) each.

    With each layer stands how often it counts. Positions with their mean taken off have one
    dimension less than there are positions, so where channels are as many λ_min is 0.
    """
    groups: dict[tuple[int, ...], list[tuple[int, Tensor]]] = defaultdict(list)
    for times, features in layers:
        groups[tuple(features.shape)].append((times, features))
    matrices = []
    for (channels, positions), members in groups.items():
        features = torch.stack([each for _, each in members]).to(torch.float64)
        if channels < positions:
            matrices.append(_correlations(features))
        else:
            matrices.append(0 * features.sum(dim=(1, 2)))  # NaN where the features are
    total = 0.0
    # LAPACK takes less time for so small matrices than a GPU's solver.
    for members, matrix in zip(groups.values(), to_cpu(matrices), strict=True):
        smallest = torch.linalg.eigvalsh(matrix)[:, 0] if matrix.dim() == 3 else matrix
        counts = (times for times, _ in members)
        total += sum(times * value for times, value in zip(counts, smallest.tolist(), strict=True))
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


def region_inputs(images: Tensor, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield the inputs of each pass, (1000, 1, 3, 3): pieces of one channel of random images.

    Parameters
    ----------
    images
        (B, channels, height, width).

    Raises
    ------
    UndefinedScoreError
        When the images are no maps of so many pixels.
    """
    side = REGION_SIZE
    if images.dim() != 4 or min(images.shape[2:]) < side:
        raise UndefinedScoreError(f"images have no pieces of {side} x {side} pixels")
    pixels = images.cpu().numpy()
    pieces = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(2, 3))
    for _ in range(REGION_BATCHES):
        chosen = tuple(rng.integers(size, size=REGION_BATCH) for size in pieces.shape[:4])
        yield torch.from_numpy(pieces[chosen][:, None]).to(images)


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
