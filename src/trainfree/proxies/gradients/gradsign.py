"""GradSign: how far the images agree on the direction of each weight."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("gradsign", needs=["image_gradients", "labels"], cite="Zhang and Jia, ICLR 2022 (GradSign)")
def gradsign(candidate: Candidate) -> float:
    """Return Σ over weights |Σ over images sign(∂ loss / ∂ w)|, weights as ``Candidate.weights``.

    The published code runs the images one at a time, so that batch normalisation sees one image; we
    hold the statistics of the mini-batch fixed and take its first 32 images. −inf where no weight
    has a gradient.
    """
    return candidate.gradient_sign_agreement
