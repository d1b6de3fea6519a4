"""VKDNW's entropy: how evenly the network's weights can be known."""

import numpy as np

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

TINY = 1e-10


@proxy("vkdnw_entropy", needs=["image_gradients"], cite="Týbl and Neumann, CVPR 2025")
def vkdnw_entropy(candidate: Candidate) -> float:
    """Return −Σ q ln q, q the nine deciles of the Fisher information's eigenvalues, by their sum.

    Fisher information of the first entry of each of the first 128 parameter tensors (weights,
    biases, normalisations, in the network's order), over the first 16 images, normalised by the
    statistics of the mini-batch. At most ln 9.

    The published code takes all 64 images on NAS-Bench-201, normalises each by its own statistics
    and goes back through these, and mixes 5 % of the uniform distribution into the probabilities.
    """
    eigenvalues = candidate.fisher_eigenvalues
    if not np.isfinite(eigenvalues).all():
        return float("nan")
    deciles = np.quantile(eigenvalues, np.arange(1, 10) / 10)
    deciles = np.maximum(deciles, 0.0)
    if not deciles.sum() > 0:
        raise UndefinedScoreError("the Fisher information is zero", score=float("-inf"))
    share = deciles / deciles.sum()
    return float(-(share * np.log(share + TINY)).sum())
