"""DSS: saliency of a transformer's weights, attention's by what spectra have."""

from trainfree.proxies.registry import Candidate, Tensor, UndefinedScoreError, proxy


@proxy(
    "dss",
    needs=["no_batch_norm", "weights"],
    cite="Zhou et al., CVPR 2022 (TF-TAS), as in the code of AZ-NAS",
)
def dss(candidate: Candidate) -> float:
    """Return Σ ‖∂R/∂W‖_nuc ‖W‖_nuc over attention's weights + Σ |∂R/∂W ⊙ W| over all others.

    R is the sum of the outputs for an image of ones, all parameters made absolute; ‖·‖_nuc is the
    sum of the singular values. Attention's weights make queries, keys and values or project its
    result; they are told by what is multiplied in a pass. The others are those of the perceptrons,
    the patch embedding and the head, as in that code (paper: attention and perceptrons alone);
    a weight with more than two dimensions counts among these. Biases and normalisations do not
    count.
    """
    attention = candidate.attention_weights
    if not attention:
        raise UndefinedScoreError(
            "the network has no attention: no product of two projections of the images is "
            "multiplied by a third"
        )
    flows, weights = candidate.flow_gradients, candidate.weights
    spectral = {key: flows[key] for key in flows if key in attention and flows[key].dim() == 2}
    others = {key: flows[key] for key in flows if key not in spectral}
    diversity = candidate.by_layer(_diversity, spectral, {key: weights[key] for key in spectral})
    saliency = candidate.by_layer(_saliency, others, {key: weights[key] for key in others})
    if not any(saliency):
        raise UndefinedScoreError("no weight reaches the output", score=float("-inf"))
    return sum(diversity) + sum(saliency)


def _diversity(gradient: Tensor, weight: Tensor) -> Tensor:
    return gradient.norm("nuc") * weight.double().abs().norm("nuc")


def _saliency(gradient: Tensor, weight: Tensor) -> Tensor:
    return (gradient * weight.double()).abs().sum()
