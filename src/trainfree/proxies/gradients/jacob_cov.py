"""NASWOT's first version: correlation of the input Jacobians."""

import numpy as np

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

EPSILON = 1e-5


@proxy("jacob_cov", needs=["jacobian"], cite="Mellor et al., arXiv 2006.04647v1")
def jacob_cov(candidate: Candidate) -> float:
    """Return −Σ (ln(λ + ε) + 1/(λ + ε)), ε = 1e−5, λ the eigenvalues of a correlation matrix.

    The matrix (B, B) is that of the images' Jacobians ∂ Σ logits / ∂ image. Train mode, as the
    authors meant (their first code had switched it off). The published code asks a general solver,
    whose eigenvalues may be complex; the matrix is symmetric and so is our solver.
    −inf where the output does not depend on the input.
    """
    correlation = np.corrcoef(candidate.input_jacobian)
    if not np.isfinite(correlation).all():
        raise UndefinedScoreError("an image's Jacobian is constant, its correlations are undefined")
    shifted = np.linalg.eigvalsh(correlation) + EPSILON
    if (shifted <= 0).any():
        raise UndefinedScoreError("the correlation matrix has an eigenvalue below -1e-5")
    return float(-np.sum(np.log(shifted) + 1 / shifted))
