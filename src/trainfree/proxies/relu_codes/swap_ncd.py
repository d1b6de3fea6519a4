"""SWAP of masked convolutions, which NCD repairs."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "swap_ncd",
    needs=["activations", "random"],
    cite="as described in public notes on Kang et al., ICCV 2025 (NCD), equation 4 and section 4.2",
)
def swap_ncd(candidate: Candidate) -> float:
    """Return how many different patterns over the images the units have in NCD's pass.

    The pass is that of ``naswot_ncd``, the count that of ``swap``. Higher is better.
    """
    return float(candidate.masked_unit_patterns)
