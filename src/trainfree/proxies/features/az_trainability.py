"""AZ-NAS's trainability."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "az_trainability",
    needs=["jacobian", "random"],
    input="gaussian",
    weights="kaiming",
    cite="Lee and Ham, CVPR 2024 (AZ-NAS)",
)
def az_trainability(candidate: Candidate) -> float:
    """Return the mean over blocks of −σ − 1/(σ + 1e−6) + 2.

    σ is the spectral norm of the correlation between random signs as gradient at a block's output
    and the gradient they become at its input; 0 is reached where σ = 1. −inf where a block passes
    everything on unchanged, as the published code says.
    """
    return float(candidate.block_trainabilities.mean())
