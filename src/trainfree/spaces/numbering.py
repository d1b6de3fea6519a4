"""Indices of architectures: the range that they are in, and their digits to a base."""

from __future__ import annotations

from collections.abc import Sequence

from trainfree.errors import ArchitectureError
from trainfree.spaces.protocol import Space


def require_index(space: Space, index: int) -> int:
    """Return an index that is one of the space's.

    Raises
    ------
    ArchitectureError
        When it is not.
    """
    if not 0 <= index < len(space):
        raise ArchitectureError(
            f"architecture index {index} is not in {space.name}: expected 0 to {len(space) - 1}"
        )
    return index


def digits_of(index: int, base: int, places: int) -> tuple[int, ...]:
    """Return the digits of an index to a base, the most significant first."""
    digits = []
    for _ in range(places):
        index, digit = divmod(index, base)
        digits.append(digit)
    return tuple(reversed(digits))


def from_digits(digits: Sequence[int], base: int) -> int:
    """Return the index whose digits to a base these are, the most significant first."""
    index = 0
    for digit in digits:
        index = index * base + digit
    return index
