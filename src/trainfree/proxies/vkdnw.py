"""VKDNW: number of parameter tensors, then the entropy of their Fisher information."""

from trainfree.proxies.registry import Candidate, proxy
from trainfree.proxies.vkdnw_entropy import vkdnw_entropy
from trainfree.spaces.network import BatchNorm, Conv, Linear


@proxy("vkdnw", needs=["image_gradients"], cite="Tybl and Neumann, CVPR 2025, VKDNW_single")
def vkdnw(candidate: Candidate) -> float:
    """Return ℵ + ``vkdnw_entropy``, ℵ the number of parameter tensors of the network.

    The entropy is at most ln 9 = 2.2, so ℵ decides and the entropy orders networks of one depth. A
    convolution has one tensor, a normalisation or linear layer two.
    """
    nodes = candidate.network.nodes
    convolutions = sum(isinstance(node, Conv) for node in nodes)
    others = sum(isinstance(node, BatchNorm | Linear) for node in nodes)
    return convolutions + 2 * others + vkdnw_entropy(candidate)
