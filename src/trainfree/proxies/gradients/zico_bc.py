"""ZiCo-BC: ZiCo less what deep and narrow networks have it for."""

from math import log, sqrt

from trainfree.proxies.gradients.zico import zico
from trainfree.proxies.registry import Candidate, proxy

BETA = 1.0
"""The paper's β for classification and detection; 2 for segmentation."""


@proxy(
    "zico_bc",
    needs=["activations", "gradients"],
    cite="Bhardwaj et al., ICCV Workshops 2023, as described in a copy of the paper's text",
)
def zico_bc(candidate: Candidate) -> float:
    """Return ``zico`` − β Σ over layers ln(HW / √C), with β = 1.

    H, W and C are height, width and channels of the output of a layer with ``Candidate.weights``
    (equation 2 as described in a copy of the paper's text; the authors published no code). A linear
    layer has one position for each token, or one. Of a layer that is called more than once the
    first call counts. Layers whose weights have no gradient are in the second sum, not in the
    first. −inf where no weight has a gradient.
    """
    corrected = zico(candidate)
    for key, features in candidate.layer_features.items():
        if "#" not in str(key):
            _, channels, positions = features.shape
            corrected -= BETA * log(positions / sqrt(channels))
    return corrected
