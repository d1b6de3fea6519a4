"""Two forms of what a space says about its own neighbourhoods, whatever the space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Walks(NamedTuple):
    """Random walks, one change a step.

    Attributes
    ----------
    arch
        Index of each architecture visited, (walks, steps).
    distance
        Changes between an encoding and that of the start of its walk, (walks, steps).
    """

    arch: NDArray[np.int32]
    distance: NDArray[np.uint8]


class Replacements(NamedTuple):
    """Pairs of architectures that differ in one operation.

    Attributes
    ----------
    kinds
        (operation, operation instead of it) by number.
    kind
        Number of each pair's kind, (pairs,).
    before, after
        Index of the architectures, (pairs,).
    """

    kinds: tuple[tuple[str, str], ...]
    kind: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
