"""ZiCo: gradients that are large on average and vary little between batches."""

import math

from trainfree.proxies.registry import Candidate, Tensor, UndefinedScoreError, proxy


@proxy("zico", needs=["gradients"], cite="Li et al., ICLR 2023")
def zico(candidate: Candidate) -> float:
    """Return Σ over layers ln Σ_w mean|g| / std(g), over the gradients g of two batches.

    A layer is a tensor of ``Candidate.weights``. The two batches are the halves of the mini-batch,
    each with its own normalisation (the published code reads two batches). Weights whose gradient
    does not vary and layers without a gradient are left out, as there. The sum is ruled by the few
    weights whose two gradients are nearly equal, so that the last digits of single precision show.
    −inf where no weight has a gradient.
    """
    first, second = candidate.half_gradients
    ratios = candidate.by_layer(_ratio, first, second)
    total = sum(math.log(ratio) for ratio in ratios if ratio > 0)
    if not math.isfinite(total):
        raise UndefinedScoreError("a ratio of mean to deviation is not finite")
    return total


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    """Return Σ mean|g| / std(g) over the weights whose gradient varies."""
    # Of the halves' sums: mean and deviation are half of both, and the ratio is the same.
    deviation = (one - other).abs()
    ratio = (one.abs() + other.abs()) / deviation
    return ratio.where(deviation > 0, 0.0).double().sum()
