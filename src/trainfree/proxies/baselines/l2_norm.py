"""Norm of the weights, layer by layer."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("l2_norm", needs=["weights"], cite="Abdelfattah et al., ICLR 2021, published code")
def l2_norm(candidate: Candidate) -> float:
    """Return Σ over layers ‖w‖₂ of ``Candidate.weights``.

    Layers that do not reach the output count, too. At initialisation the norm depends on the width
    alone, not on the kernel, so that this counts layers; architectures with as many layers of each
    width are ordered by the draw of the weights.
    """
    return sum(candidate.by_layer(lambda weight: weight.norm(), candidate.weights))
