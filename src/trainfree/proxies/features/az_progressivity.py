"""AZ-NAS's progressivity."""

import numpy as np

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "az_progressivity",
    needs=["activations"],
    input="gaussian",
    weights="kaiming",
    cite="Lee and Ham, CVPR 2024 (AZ-NAS)",
)
def az_progressivity(candidate: Candidate) -> float:
    """Return the smallest growth of the entropy of ``az_expressivity`` from a block to the next.

    −inf where a block's output has no variance; see ``az_expressivity`` for how the published code
    differs.
    """
    entropies = candidate.block_entropies
    return float(np.diff(entropies).min()) if np.isfinite(entropies).all() else -np.inf
