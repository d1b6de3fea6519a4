"""T-CET: layer by layer, NASWOT times the signal-to-noise ratio of Synflow."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from trainfree.proxies.registry import Candidate, Tensor, UndefinedScoreError, proxy


@proxy(
    "t_cet",
    needs=["activations", "no_batch_norm", "weights"],
    cite="code of iViolinSolo/zero-cost-proxies (T-CET, variant synflow)",
)
def t_cet(candidate: Candidate) -> float:
    """Return Σ over layers ln |det K| · (Σ s / std s), s = |θ ⊙ ∂R/∂θ| of ``synflow``.

    K is NASWOT's kernel of the signs of a layer's outputs; ln |det K| counts as 0 where two images
    have one code, so that K is singular. Where s does not vary Σ s alone stands for the ratio. A
    layer is a tensor of ``Candidate.weights``. The published code pairs layers by their order in
    the module, here a weight is paired with its own output. It also runs the network in evaluation
    mode, in which normalisation does next to nothing before training; here outputs are those of all
    passes of the suite, with the statistics of the mini-batch. −inf where no weight reaches R.
    """
    flows, weights = candidate.flow_gradients, candidate.weights
    features = candidate.layer_features
    ratios = candidate.by_layer(_ratio, flows, {key: weights[key] for key in flows})
    if not any(ratios):
        raise UndefinedScoreError("no weight reaches the output", score=float("-inf"))
    layers = [features[key] for key in flows]
    logs = [
        _log_determinant(candidate, active, each.shape[1] * each.shape[2])
        for active, each in zip(_active(layers).cpu().numpy(), layers, strict=True)
    ]
    return sum(log * ratio for log, ratio in zip(logs, ratios, strict=True))


def _ratio(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return Σ s / std s."""
    saliency = (gradient * weight.double()).abs()
    total = saliency.sum()
    if saliency.numel() == 1:
        return total
    largest = saliency.amax()  # squares of larger numbers would overflow
    deviation = (saliency / largest).std()
    return (total / largest / deviation).where(deviation > 0, total)


def _active(layers: Sequence[Tensor]) -> Tensor:
    """Return C Cᵀ for the signs C of (B, channels, positions) each, (layers, B, B)."""
    images = len(layers[0])
    found = layers[0].new_empty(len(layers), images, images).double()
    for place, features in enumerate(layers):
        code = (features > 0).flatten(1).double()
        found[place] = code @ code.T
    return found


def _log_determinant(candidate: Candidate, active: NDArray[np.float64], units: int) -> float:
    """Return ln |det K|, 0 for a singular K; two images with one code make it one."""
    own = active.diagonal()
    kernel = units - own[:, None] - own[None, :] + 2 * active
    if (kernel == units).sum() > len(kernel):
        return 0.0
    value = candidate.log_abs_determinant(kernel)
    return value if isfinite(value) else 0.0
