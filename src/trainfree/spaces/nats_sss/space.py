"""The size search space: one cell, five widths.

An architecture is five numbers of channels, each 8 to 64 in steps of 8, written
``64:64:56:64:24`` as NATS-Bench does. The index is the official one, which is the lexicographic
order of the widths (Dong et al., TPAMI 2021, section 3.2 and its code).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trainfree.errors import ArchitectureError, UnknownNameError
from trainfree.spaces.numbering import digits_of, from_digits, require_index
from trainfree.spaces.protocol import MutationRule

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
"""Channels that each of the five places may have."""
PLACES = 5
MUTATIONS = ("one_change", "published")
_EXAMPLE = "64:64:56:64:24"


class SizeSpace:
    """All combinations of five widths, 32,768 as published.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    widths
        Channels to choose from, ascending.
    """

    def __init__(self, name: str = "nats_sss", widths: Sequence[int] = WIDTHS) -> None:
        self.name, self.widths = name, tuple(widths)

    @property
    def operations(self) -> tuple[str, ...]:
        """The widths, as texts: what a place may carry."""
        return tuple(map(str, self.widths))

    @property
    def edges(self) -> int:
        """Number of places, which search algorithms take for edges."""
        return PLACES

    @property
    def warm_up_architecture(self) -> int:
        """Index of the widest network."""
        return len(self) - 1

    def __len__(self) -> int:
        return int(len(self.widths) ** PLACES)

    def channels(self, index: int) -> tuple[int, ...]:
        """Return the five widths of an architecture.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        return tuple(self.widths[digit] for digit in self.digits(index))

    def digits(self, index: int) -> tuple[int, ...]:
        """Return the number of the width at each place; raises as :meth:`channels`."""
        return digits_of(require_index(self, index), len(self.widths), PLACES)

    def index_of(self, digits: Sequence[int]) -> int:
        """Return the index of an architecture given by the number of its width at each place."""
        base = len(self.widths)
        if len(digits) != PLACES or not all(0 <= digit < base for digit in digits):
            raise ArchitectureError(
                f"architecture {tuple(digits)} is not in {self.name}: expected {PLACES} numbers "
                f"of widths from 0 to {base - 1}"
            )
        return from_digits(digits, base)

    def to_string(self, index: int) -> str:
        """Return the published form, for example ``64:64:56:64:24``."""
        return ":".join(map(str, self.channels(index)))

    def parse(self, text: str) -> int:
        """Return the index of an architecture in the published form.

        Raises
        ------
        ArchitectureError
            Saying what is wrong with the text.
        """
        parts = [part.strip() for part in text.strip().split(":")]
        if len(parts) != PLACES:
            raise ArchitectureError(
                f"architecture {text!r} is malformed: expected {PLACES} widths joined by ':', "
                f"found {len(parts)}; a well-formed one is {_EXAMPLE!r}"
            )
        for part in parts:
            if part not in self.operations:
                raise ArchitectureError(
                    f"architecture {text!r} is not in {self.name}: expected widths among "
                    f"{', '.join(self.operations)}, found {part!r}"
                )
        return self.index_of([self.operations.index(part) for part in parts])

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly, each width independently."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return an architecture that differs from ``index`` at one place at most.

        Parameters
        ----------
        rule
            ``"one_change"`` draws another width for a place; ``"published"`` draws any, so that
            one child in eight is its parent, as the NATS-Bench scripts do.

        Raises
        ------
        UnknownNameError
            For another rule.
        """
        if rule not in MUTATIONS:
            raise UnknownNameError(f"mutation in {self.name}", rule, MUTATIONS)
        digits, base = list(self.digits(index)), len(self.widths)
        place = int(rng.integers(PLACES))
        if rule == "published":
            digits[place] = int(rng.integers(base))
        else:
            digits[place] = (digits[place] + 1 + int(rng.integers(base - 1))) % base
        return self.index_of(digits)

    def neighbours(self, index: int) -> list[int]:
        """Return all architectures that differ from ``index`` in exactly one width."""
        digits = self.digits(index)
        return [
            self.index_of([*digits[:place], digit, *digits[place + 1 :]])
            for place in range(PLACES)
            for digit in range(len(self.widths))
            if digit != digits[place]
        ]


SPACES: Mapping[str, Callable[[], SizeSpace]] = {"nats_sss": SizeSpace}
"""The spaces of this module by name."""
