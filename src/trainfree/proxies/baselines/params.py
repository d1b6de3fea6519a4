"""Number of parameters: the baseline every proxy has to beat."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("params", cite="baseline")
def params(candidate: Candidate) -> float:
    """Return the number of learnable parameters, batch normalisation included."""
    return float(candidate.params)
