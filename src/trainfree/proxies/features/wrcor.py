"""WRCor: weighted correlation of responses and of their gradients."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "wrcor",
    needs=["activations", "labels", "gradients"],
    cite="Jing et al., Zero-Shot Neural Architecture Search with Weighted Response Correlation, "
    "arXiv 2507.08841, 2025",
)
def wrcor(candidate: Candidate) -> float:
    """Return ln |det K|, K = Σ over ReLUs 2ⁱ (|corr(x)| + |corr(∂L/∂x)|), (B, B).

    x is the ReLU's input for each image, i the number of its block, counted from 0 behind the stem.
    The weights 2ⁱ and ln |det K| are those of the authors' code (kunjing96/ZSNAS-WRCor,
    act_grad_cor_weighted). A matrix with an undefined correlation is left out, as there. The
    published hook also matches the wrapping ``ReLUConvBN``, whose "gradient of the input" is that
    of its normalisation; we count each ReLU module once. Modules that read the same map count with
    the gradient that comes back through all of them. −inf where no weight has a gradient.
    """
    return candidate.log_abs_determinant(candidate.weighted_response_kernel)
