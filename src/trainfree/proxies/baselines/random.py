"""A control that knows nothing: architectures in random order."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("random", needs=["random"], cite="control")
def random(candidate: Candidate) -> float:
    """Return a number drawn uniformly from [0, 1) by the architecture's own stream."""
    return float(candidate.stream("proxy/random").random())
