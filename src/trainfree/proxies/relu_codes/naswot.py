"""NASWOT, each ReLU module counted once."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("naswot", needs=["activations"], cite="Mellor et al., ICML 2021, equations 1 and 2")
def naswot(candidate: Candidate) -> float:
    """Return s = ln |det K_H| with K_H = N_A − Hamming distance of the ReLU codes.

    The published code counts most ReLUs twice (see ``naswot_official``); NASLib counts as here.
    −inf where the codes of the images make K_H singular.
    """
    return candidate.log_abs_determinant(candidate.relu_kernel)
