"""VKDNW: number of parameter tensors, then the entropy of their Fisher information."""

from trainfree.proxies.gradients.vkdnw_entropy import vkdnw_entropy
from trainfree.proxies.registry import Candidate, proxy


@proxy("vkdnw", needs=["image_gradients"], cite="Týbl and Neumann, CVPR 2025")
def vkdnw(candidate: Candidate) -> float:
    """Return ℵ + ``vkdnw_entropy``, ℵ the number of parameter tensors of the network.

    All of them count, biases and normalisations, too: a convolution without bias has one tensor, a
    normalisation or linear layer two. The authors' code (ondratybl/VKDNW) ranks by ℵ and, among
    equals, by the entropy; the sum does the same where ℵ takes larger steps than the entropy's
    range, ln 9 = 2.2 (in NAS-Bench-201 a convolution more is 45 tensors more). That the paper's
    VKDNW_single is this sum was not verified in its text.
    """
    return candidate.parameter_tensors + vkdnw_entropy(candidate)
