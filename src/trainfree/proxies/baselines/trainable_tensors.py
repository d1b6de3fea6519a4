"""Number of parameter tensors: the baseline that VKDNW's paper calls ℵ."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("trainable_tensors", cite="Týbl and Neumann, CVPR 2025 (ℵ)")
def trainable_tensors(candidate: Candidate) -> float:
    """Return ℵ, the number of parameter tensors, whatever their sizes.

    Biases and normalisations count, too: a convolution without bias has one tensor, a
    normalisation or a linear layer two. In NAS-Bench-201 that is 21 and 45 for each convolution of
    the cell.
    """
    return float(candidate.parameter_tensors)
