"""Where buffers lie in memory that is used again: first fit by lifetimes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from trainfree.scoring.gpu_kernels.launches import ALIGNMENT

FOREVER = 1 << 40
"""Last moment of what outlives the block."""

Lifetime = tuple[int, int, int]
"""Elements, first and last moment at which a launch touches them."""
Occupied = tuple[int, int, int]
"""Offset, elements and last moment of what is there from the start."""


def aligned(elements: int) -> int:
    """Return the least multiple of the alignment that is not smaller."""
    return -(-elements // ALIGNMENT) * ALIGNMENT


def first_fit(
    lifetimes: Sequence[Lifetime], occupied: Sequence[Occupied] = ()
) -> tuple[list[int], int]:
    """Return an offset for each buffer, and the end of the highest.

    Buffers are placed by the moment they begin, the larger ones of a moment first, each at the
    lowest place where it touches none that is alive at a common moment.

    Parameters
    ----------
    lifetimes
        Of the buffers to place.
    occupied
        Buffers that lie somewhere already.
    """
    offsets = [0] * len(lifetimes)
    alive = sorted((offset, offset + size, last) for offset, size, last in occupied)
    top = max((end for _, end, _ in alive), default=0)
    order = sorted(range(len(lifetimes)), key=lambda place: _order(lifetimes[place], place))
    now = -1
    for place in order:
        elements, first, last = lifetimes[place]
        if first > now:
            now = first
            alive = [entry for entry in alive if entry[2] >= first]
        size, offset = aligned(elements), 0
        for start, end, _ in alive:
            if start - offset >= size:
                break
            offset = max(offset, end)
        insort(alive, (offset, offset + size, last))
        offsets[place] = offset
        top = max(top, offset + size)
    return offsets, top


def _order(lifetime: Lifetime, place: int) -> tuple[int, int, int]:
    elements, first, _ = lifetime
    return first, -elements, place
