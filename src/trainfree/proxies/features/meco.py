"""MeCo: smallest eigenvalues of the correlations between channels."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("meco", needs=["activations"], cite="Jiang, Wang and Bie, NeurIPS 2023 (MeCo)")
def meco(candidate: Candidate) -> float:
    """Return Σ over layers λ_min of the (C, C) correlation of the channels of one image.

    One image is what the published code reads of the batch, too. It hooks every module, containers
    included, which counts most layers twice or more; here each convolution, normalisation, ReLU and
    pooling counts once. A correlation with a constant channel is 0. Where a layer has no more
    positions than channels λ_min is 0, whatever the architecture: in NAS-Bench-201 the last stage.
    """
    return candidate.smallest_correlation_eigenvalues
