"""InTrain: over how many dimensions features spread, and how even gradients are."""

from math import log

from trainfree.proxies.registry import Candidate, Tensor, UndefinedScoreError, proxy

EPSILON = 1e-10


@proxy(
    "intrain",
    needs=["activations", "gradients"],
    cite="Zhou et al., CVPR 2026, as described in notes on the paper",
)
def intrain(candidate: Candidate) -> float:
    """Return γ (1 + o) / ln(L + 1), γ = Σ over L layers ln((tr C)² / tr C²), o = Σ min(1, s / m).

    As described in notes on the paper, whose text and code were not available. C is the covariance
    of a layer's channels over images and positions, plus 1e−10 on the diagonal; layers are those
    with ``Candidate.weights``, before normalisation. o runs over all parameter tensors, biases and
    normalisations included; s is the deviation of the elements of a tensor's gradient and m the
    largest absolute one plus 1e−10. The authors use 64 Gaussian images of 64 × 64 pixels and random
    labels; here images and labels are those of the setting. −inf where no weight has a gradient.
    """
    evenness = sum(candidate.by_layer(_evenness, candidate.parameter_gradients))
    features = candidate.layer_features
    spread = sum(map(log, candidate.by_layer(_participation, features)))
    if not features:
        raise UndefinedScoreError("no layer has weights")
    return spread * (1 + evenness) / log(len(features) + 1)


def _participation(features: Tensor) -> Tensor:
    """Return (tr C)² / tr C² of features, (B, channels, positions)."""
    rows = features.mT.flatten(0, 1).double()
    centred = rows - rows.mean(dim=0)
    covariance = centred.T @ centred / max(len(rows) - 1, 1)
    trace = covariance.trace() + EPSILON * len(covariance)
    # tr (C + ε)² = tr C² + 2 ε tr C + ε² · channels
    square = covariance.square().sum() + EPSILON * (2 * trace - EPSILON * len(covariance))
    return trace.square() / square


def _evenness(gradient: Tensor) -> Tensor:
    """Return the deviation of a gradient's elements over the largest, at most 1."""
    largest = gradient.abs().amax() + EPSILON
    if gradient.numel() == 1:
        return 0 * largest
    return (gradient.std() / largest).clamp(max=1)
