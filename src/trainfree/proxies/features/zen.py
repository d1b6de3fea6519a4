"""Zen score: expressivity of the network as a function of a Gaussian input."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("zen", needs=["random"], cite="Lin et al., ICCV 2021")
def zen(candidate: Candidate) -> float:
    """Return ln E‖f(x) − f(x + 0.01 ε)‖₁ + Σ ln σ̄ with Gaussian weights, x and ε.

    f is the last feature map before the global pooling, with batch normalisation; σ̄² is the mean
    over channels of a normalisation's running variance. Batch and image size are those of the
    mini-batch. As in the published code the running variance is averaged in with momentum 0.1 from
    1 over two passes, so it is 0.81 plus a fifth of the variance; one repetition, as
    NAS-Bench-Suite-Zero. −inf where the input does not reach the last feature map.
    """
    return candidate.log_gaussian_expansion
