"""SNIP: how much the loss depends on each weight being there."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "snip",
    needs=["weights", "gradients"],
    cite="Lee et al., ICLR 2019; summed over the network by Abdelfattah et al., ICLR 2021",
)
def snip(candidate: Candidate) -> float:
    """Return Σ |w ⊙ ∂L/∂w| over ``Candidate.weights``, L the mean cross-entropy.

    The original normalises by the total to compare the weights of one network; zero-cost-nas does
    not, to compare networks, and neither do we. −inf where no weight has a gradient.
    """
    gradients = candidate.loss_gradients
    return sum(candidate.by_layer(lambda g, w: (w * g).abs().sum(), gradients, candidate.weights))
