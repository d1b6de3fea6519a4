"""NEAR: effective ranks of what layers and activations make."""

from typing import Any

import numpy as np

from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy


@proxy(
    "near",
    needs=["activations", "random"],
    cite="Husistein, Reiher and Eckhoff, ICLR 2025 (NEAR), and its code ReiherGroup/NEAR",
)
def near(candidate: Candidate) -> float:
    """Return Σ exp H(σ / Σ σ), σ the singular values of a square block of each layer's outputs.

    exp H is the effective rank, H the entropy by natural logarithms. Layers are those of the code:
    all with weights, normalisations among them, and all activations, whichever. A layer's outputs
    are a matrix of channels, one row a position, image by image; of it C rows that follow each
    other are taken, C the number of channels, from a random place. Where the mini-batch has fewer
    rows than C all of them are; the code goes on to further batches. Its block starts at multiples
    of a map's width and is cut short at the end of the matrix; ours starts anywhere and is whole.
    A layer that is zero throughout counts 0, as there. Higher is better.

    The published figures are means over 32 draws of the weights. One draw of a candidate's weights
    is one of these; what several draws give (``draws``, ``seeds``) is averaged over them.
    """
    rng = candidate.stream("proxy/near")

    def blocks(layer: Layer) -> list[Any]:
        if layer.kind == "pooling":
            return []
        return [_block(layer.output, rng) for _ in range(layer.modules)]

    found = [block for blocks in candidate.over_layers(blocks) for block in blocks]
    if not found:
        raise UndefinedScoreError("the network has no layer with weights and no activation")
    return sum(map(effective_rank, candidate.arrays(found)))


def _block(output: Any, rng: np.random.Generator) -> Any:
    """Return rows of (B, channels, positions) that follow each other, (C or all, channels)."""
    images, channels, positions = output.shape
    rows = min(channels, images * positions)
    start = int(rng.integers(images * positions - rows + 1))
    first, last = start // positions, (start + rows - 1) // positions
    touched = output[first : last + 1].movedim(1, 2).reshape(-1, channels)
    return touched[start - first * positions :][:rows]


def effective_rank(matrix: np.ndarray) -> float:
    """Return exp H(σ / Σ σ), 0 of a matrix of zeros."""
    values = np.linalg.svd(matrix, compute_uv=False).astype(np.float64)
    total = values.sum()
    if total == 0:
        return 0.0
    share = values[values > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))
