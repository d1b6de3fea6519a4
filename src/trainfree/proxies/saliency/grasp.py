"""GraSP: whether removing weights would hurt the flow of the gradient."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "grasp",
    needs=["gradients"],
    cite="Wang et al., ICLR 2020; summed over the network by Abdelfattah et al., ICLR 2021",
)
def grasp(candidate: Candidate) -> float:
    """Return −Σ w ⊙ (H g) = −gᵀ H w over ``Candidate.weights``.

    g and H are gradient and Hessian of the mean cross-entropy (temperature 1, one iteration, one
    mini-batch for both, not the balanced one of the original). The sign is that of zero-cost-nas,
    which turned it because accuracy went the other way. A layer in front of a batch normalisation
    contributes its own squared gradient norm. −inf where no weight has a gradient.
    """
    return -candidate.gradient_curvature
