"""AZ-NAS's expressivity."""

import numpy as np

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "az_expressivity",
    needs=["activations"],
    input="gaussian",
    weights="kaiming",
    cite="Lee and Ham, CVPR 2024 (AZ-NAS)",
)
def az_expressivity(candidate: Candidate) -> float:
    """Return Σ over stem and blocks of the entropy of their output's principal components.

    With λ the eigenvalues of the covariance (C, C) of a block's features over images and
    positions and p = λ / Σ λ, the entropy is −Σ p ln(p + 1e−8). −inf where it has no value, as the
    published code says: a block's output has no variance, or its covariance so little in some
    direction that rounding makes p < −1e−8. The published code has eigenvalues in single
    precision, where that comes more often and differs from seed to seed; here they are in double.
    """
    entropies = candidate.block_entropies
    return float(entropies.sum()) if np.isfinite(entropies).all() else -np.inf
