"""Gradient times weight, with its sign."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "plain",
    needs=["weights", "gradients"],
    cite="code of Abdelfattah et al., ICLR 2021 (zero-cost-nas)",
)
def plain(candidate: Candidate) -> float:
    """Return Σ w · ∂L/∂w over ``Candidate.weights``, L the mean cross-entropy.

    A measure of the code zero-cost-nas without a paper of its own; that it goes back to the
    saliency of Mozer and Smolensky (Skeletonization, NIPS 1988) is our reading, not verified.

    A layer in front of a batch normalisation contributes nothing but rounding: its scale does not
    matter, so w · ∂L/∂w sums to 0. What is left comes from the few layers without one, and from the
    draw of weights and images more than from the architecture. −inf where no weight has a gradient.
    """
    gradients = candidate.loss_gradients
    return sum(candidate.by_layer(lambda g, w: (w * g).sum(), gradients, candidate.weights))
