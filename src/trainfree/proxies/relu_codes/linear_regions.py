"""Number of linear regions, from TE-NAS."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "linear_regions",
    needs=["images", "random"],
    input="images",
    weights="kaiming",
    cite="Chen et al., ICLR 2021 (TE-NAS)",
)
def linear_regions(candidate: Candidate) -> float:
    """Return how many different ReLU codes 3,000 pieces of images have in the thinned network.

    On the full network all inputs differ. As the published code does, the network is thinned to
    one cell without a stem, of one channel; inputs are 3 x 3 pixels of one channel of an image,
    at random, in three batches of 1,000; and the number, at most 3,000, is the mean over three
    draws of the weights. The published code crops another image for each, here they are those of
    the mini-batch. Of a network whose blocks differ one of each kind is left that has no stride.
    """
    return float(candidate.linear_regions)
