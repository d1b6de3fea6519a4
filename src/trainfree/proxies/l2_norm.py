"""Norm of the weights, layer by layer."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("l2_norm", needs=["weights"], cite="Abdelfattah et al., ICLR 2021, published code")
def l2_norm(candidate: Candidate) -> float:
    """Return Σ over layers ‖w‖₂ of convolution and linear weights, whether they reach the output
    or not. At initialisation it counts layers by their width."""
    return sum(float(weight.norm()) for weight in candidate.weights.values())
