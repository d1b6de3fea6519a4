"""Search spaces: encodings, enumeration, sampling, mutation and networks.

A space is found by name. Nothing here needs torch: a network is described as data
(:mod:`trainfree.spaces.network`) and executed elsewhere.
"""

from __future__ import annotations

from functools import cache

from trainfree.errors import UnknownNameError
from trainfree.spaces.nasbench201.space import CellSpace

SPACE_NAMES = ["nasbench201", "nasbench201_mini"]


@cache
def load_space(name: str) -> CellSpace:
    """Return the space called ``name``.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    """
    if name == "nasbench201":
        return CellSpace.published()
    if name == "nasbench201_mini":
        return CellSpace.mini()
    raise UnknownNameError("space", name, SPACE_NAMES)
