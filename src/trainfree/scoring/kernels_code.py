"""The code that decides kernels. Needs no torch."""

from __future__ import annotations

from trainfree.provenance import code_hash
from trainfree.spaces import module_of, skeleton_of


def kernels_code_hash(space: str) -> str:
    """Return the hash of all code of the suite that decides the kernels of a space."""
    return code_hash("trainfree.scoring.kernels", module_of(space), skeleton_of(space))
