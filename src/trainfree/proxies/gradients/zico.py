"""ZiCo: gradients that are large on average and vary little between batches."""

import math

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy


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
    total = 0.0
    for number, one in first.items():
        other = second[number]
        mean, deviation = (one.abs() + other.abs()) / 2, (one - other).abs() / 2
        varies = deviation > 0
        ratio = float((mean[varies] / deviation[varies]).double().sum())
        total += math.log(ratio) if ratio > 0 else 0.0
    if not math.isfinite(total):
        raise UndefinedScoreError("a ratio of mean to deviation is not finite")
    return total
