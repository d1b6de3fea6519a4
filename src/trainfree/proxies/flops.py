"""Number of operations for one image: a baseline."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("flops", needs_images=False, cite="baseline; counted as in NAS-Bench-201")
def flops(candidate: Candidate) -> float:
    """Return multiply-adds of convolution and linear layers (see ``Network.flops``)."""
    return float(candidate.network.flops)
