"""NASWOT as its published code counts."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("naswot_official", needs=["activations"], cite="Mellor et al., ICML 2021, published code")
def naswot_official(candidate: Candidate) -> float:
    """Return ln |det K| with every ReLU inside a ``ReLUConvBN`` block counted twice.

    The published hook is attached to all modules whose class name contains "ReLU", which the
    wrapping block's does as well. The last ReLU of the network is counted once. Branches that do
    not reach the output count: ``none`` multiplies by zero, so gradients still visit them.
    """
    return candidate.log_abs_determinant(candidate.relu_kernel_official)
