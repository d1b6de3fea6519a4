"""L-SWAG: how little gradients vary between batches, times the patterns of activations."""

import math

from trainfree.proxies.registry import Candidate, Tensor, UndefinedScoreError, proxy


@proxy(
    "lswag",
    needs=["activations", "gradients"],
    cite="Casarin et al., CVPR 2025, as described in a copy of the paper's text",
)
def lswag(candidate: Candidate) -> float:
    """Return Σ over layers ln Σ_w 1 / std|g|, times the number of patterns of units over images.

    Equations 1, 7 and 8 as described in a copy of the paper's text; the authors published no code.
    g are the gradients of the two halves of the mini-batch, as in ``zico``, whose mean the authors
    leave out; patterns are those of ``swap``, of all activations, GELU among them. The authors take
    only the layers between two percentiles of the depth that they find for each benchmark from the
    gradients of 1,000 networks; here all layers count. Weights whose gradient does not vary and
    layers without a gradient are left out. −inf where no weight has a gradient.
    """
    first, second = candidate.half_gradients
    steadiness = candidate.by_layer(_steadiness, first, second)
    total = sum(math.log(each) for each in steadiness if each > 0)
    if not math.isfinite(total):
        raise UndefinedScoreError("the inverse of a gradient's deviation is not finite")
    return total * candidate.distinct_unit_patterns


def _steadiness(one: Tensor, other: Tensor) -> Tensor:
    """Return Σ 1 / std|g| over the weights whose gradient varies."""
    # Two numbers deviate from their mean by half their difference.
    deviation = (one.abs() - other.abs()).abs().double() / 2
    return (1 / deviation).where(deviation > 0, 0.0).sum()
