"""NASWOT of masked convolutions, which NCD repairs."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "naswot_ncd",
    needs=["activations", "random"],
    cite="as described in public notes on Kang et al., ICCV 2025 (NCD), equation 4 and section 4.2",
)
def naswot_ncd(candidate: Candidate) -> float:
    """Return ln |det K| of a pass with masked convolutions and layer normalisation.

    Masking (equation 4): each convolution reads M ⊙ X with M ~ Bernoulli(1 − α) for each channel
    and position, one mask a convolution, the same for all images; α = 0.95, which the notes name
    for NAS-Bench-201. Rescaling (section 4.2): in place of batch normalisation each image is
    normalised over channels and positions. K is that of ``naswot``. Higher is better.

    There is no public code, and the paper's text was not at hand: where M is drawn and how the
    normalisation is replaced is our reading of the notes.
    """
    return candidate.log_abs_determinant(candidate.masked_relu_kernel)
