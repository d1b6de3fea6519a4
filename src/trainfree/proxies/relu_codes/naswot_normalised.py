"""NASWOT without its preference for networks with more ReLU units."""

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy


@proxy("naswot_normalised", needs=["activations"], cite="Mellor et al., ICML 2021; division ours")
def naswot_normalised(candidate: Candidate) -> float:
    """Return ln |det (K_H / N_A)|, with N_A the number of ReLU units of one image.

    The diagonal of K_H / N_A is 1, so that the score no longer grows by B · ln k when every unit is
    there k times. −inf as for ``naswot``.
    """
    units = candidate.relu_units
    if not units:
        raise UndefinedScoreError("the network has no ReLU unit")
    return candidate.log_abs_determinant(candidate.relu_kernel / units)
