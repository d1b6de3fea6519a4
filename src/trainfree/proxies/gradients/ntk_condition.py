"""Condition number of the neural tangent kernel, from TE-NAS."""

import numpy as np

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "ntk_condition",
    needs=["image_gradients"],
    higher_is_better=False,
    cite="Chen et al., ICLR 2021 (TE-NAS)",
)
def ntk_condition(candidate: Candidate) -> float:
    """Return λ_max / λ_min of Θ (B, B), Θ_ij = ⟨∂ Σ f(x_i)/∂w, ∂ Σ f(x_j)/∂w⟩.

    w runs over ``Candidate.weights``, so scales of batch normalisation and biases are left out. Low
    is good, so scores files hold the negative. The published code works in train mode, where each
    image's output depends on the whole batch; we hold the statistics of the mini-batch fixed and
    take its first 32 images. A singular kernel gives +inf, stored as −inf.
    """
    eigenvalues = np.linalg.eigvalsh(candidate.tangent_kernel)
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / smallest if smallest > 0 else float("inf")
