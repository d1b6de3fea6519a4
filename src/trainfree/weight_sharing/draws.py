"""What torch draws, from the suite's own streams."""

from __future__ import annotations

import torch

from trainfree.randomness import stream


def generator_of(seed: int, purpose: str, *key: int) -> torch.Generator:
    """Return torch's generator of a purpose and a key; see :func:`trainfree.randomness.stream`."""
    return torch.Generator().manual_seed(int(stream(seed, purpose, *key).integers(2**63)))
