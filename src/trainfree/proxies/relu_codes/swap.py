"""SWAP: number of distinct sample-wise activation patterns."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("swap", needs=["activations"], cite="Peng et al., ICLR 2024 (SWAP-NAS)")
def swap(candidate: Candidate) -> float:
    """Return how many different patterns over the B images the ReLU units have.

    NASWOT asks how images differ over the units, this asks how units differ over the images: a
    pattern has B bits, and there are as many as units, not as images. The authors' code
    (pym1024/SWAP) takes the signs of the outputs of all ReLU modules and counts different ones, as
    we do. The variant regularised by a target size, times exp(−(params − μ)² / σ), has two free
    constants for each space and is left to the user.
    """
    return float(candidate.distinct_unit_patterns)
