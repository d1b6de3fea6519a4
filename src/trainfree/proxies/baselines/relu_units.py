"""Number of ReLU units: the baseline for everything that counts activations."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("relu_units", cite="baseline")
def relu_units(candidate: Candidate) -> float:
    """Return the number of ReLU units for one image, each ReLU module counted once."""
    return float(candidate.relu_units)
