"""Synflow, without batch normalisation, as a logarithm."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "synflow",
    needs=["no_batch_norm"],
    cite="Tanaka et al., NeurIPS 2020; summed over the network by Abdelfattah et al., ICLR 2021",
)
def synflow(candidate: Candidate) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ|, R being the sum of the outputs for an image of ones.

    All parameters are replaced by their absolute values and batch normalisation is left out. The
    sum runs over ``Candidate.weights``, not biases. −inf where no weight reaches R.
    NAS-Bench-Suite-Zero takes the logarithm too, zero-cost-nas does not; the ranks are the same.
    """
    return candidate.log_synaptic_flow
