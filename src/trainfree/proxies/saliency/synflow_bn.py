"""Synflow with batch normalisation, as a logarithm."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("synflow_bn", needs=["weights"], cite="Abdelfattah et al., ICLR 2021, published code")
def synflow_bn(candidate: Candidate) -> float:
    """Return ln Σ |θ ⊙ ∂R/∂θ| as ``synflow``, but with batch normalisation in train mode.

    The sum runs over ``Candidate.weights``; neither biases nor normalisations are in it.
    Each channel is normalised over the positions of the one image of ones, so that differences come
    from the borders alone and a map without a border effect becomes 0; values and gradients take
    both signs. −inf where no weight reaches R. Where every map has become 0, as maximum pooling can
    do, the sum is what rounding leaves, and says nothing.
    """
    return candidate.log_flow_normalised
