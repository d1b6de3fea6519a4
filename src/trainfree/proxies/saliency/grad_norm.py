"""Norm of the gradient, layer by layer."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("grad_norm", needs=["gradients"], cite="Abdelfattah et al., ICLR 2021")
def grad_norm(candidate: Candidate) -> float:
    """Return Σ over layers ‖∂L/∂w‖₂, w in ``Candidate.weights``, L the mean cross-entropy.

    A sum of norms, not the norm of the whole gradient. −inf where no weight has a gradient.
    """
    return sum(candidate.by_layer(lambda gradient: gradient.norm(), candidate.loss_gradients))
