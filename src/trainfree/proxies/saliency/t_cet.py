"""T-CET: layer by layer, NASWOT times the signal-to-noise ratio of Synflow."""

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
    kernels = candidate.by_layer(_log_determinant, {key: features[key] for key in flows})
    return sum(kernel * ratio for kernel, ratio in zip(kernels, ratios, strict=True))


def _ratio(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return Σ s / std s."""
    saliency = (gradient * weight.double()).abs()
    total = saliency.sum()
    if saliency.numel() == 1:
        return total
    largest = saliency.amax()  # squares of larger numbers would overflow
    deviation = (saliency / largest).std()
    return (total / largest / deviation).where(deviation > 0, total)


def _log_determinant(features: Tensor) -> Tensor:
    """Return ln |det K| of the signs of features, (B, channels, positions)."""
    code = (features > 0).flatten(1).double()
    active = code @ code.T
    own = active.diagonal()
    kernel = code.shape[1] - own[:, None] - own[None, :] + 2 * active
    same = (kernel == code.shape[1]).sum() > len(code)
    value = kernel.slogdet()[1]
    return value.where(~same & value.isfinite(), 0.0)
