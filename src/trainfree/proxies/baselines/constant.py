"""A control that knows nothing: all architectures are equal."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("constant", cite="control")
def constant(candidate: Candidate) -> float:
    """Return 0: what a table says of this proxy is what ties alone make."""
    return 0.0
