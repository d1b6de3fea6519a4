"""Synflow as the NAS-Bench-201 networks of zero-cost-nas compute it, as a logarithm."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "synflow_bn_reductions",
    needs=["weights"],
    cite="Abdelfattah et al., ICLR 2021, published code for NAS-Bench-201",
)
def synflow_bn_reductions(candidate: Candidate) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| with batch normalisation in the residual blocks only.

    The sum runs over ``Candidate.weights``; neither biases nor normalisations are in it.
    The published copy of the network without normalisation does not pass that wish on to the two
    blocks with stride 2. It also gives cell convolutions a bias, which we do not: the networks of
    the benchmark have none. −inf where no weight reaches R.
    """
    return candidate.log_flow_reductions
