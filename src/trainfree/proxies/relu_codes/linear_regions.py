"""Number of linear regions, from TE-NAS."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("linear_regions", needs=["random"], cite="Chen et al., ICLR 2021 (TE-NAS)")
def linear_regions(candidate: Candidate) -> float:
    """Return how many different ReLU codes 1,000 Gaussian inputs have in the thinned network.

    On the full network all inputs differ. TE-NAS therefore counts on one channel, one cell a stage
    and 3 × 3 pixels; here the network keeps its depth, has one channel where it had the stem's
    number (two where it had twice as many) and 4 × 4 pixels, which the strides of every space can
    halve twice. At most 1,000.
    """
    return float(candidate.linear_regions)
