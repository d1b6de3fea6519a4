"""Number of operations for one image: a baseline."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("flops", cite="baseline; counted as in NAS-Bench-201")
def flops(candidate: Candidate) -> float:
    """Return multiply-adds of all products of a pass (see ``Network.flops``).

    NAS-Bench-Suite-Zero counts normalisation, activation and pooling too (17.96 where the
    benchmark's files say 15.65 MFLOPs); the ranks hardly differ.
    """
    return float(candidate.flops)
