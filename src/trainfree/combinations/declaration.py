"""What a combination of proxies is: its parts, and how their ranks become one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ties = Literal["mean", "dense"]
"""What equal scores get: the mean of the ranks they take, or one rank, the next score's being one
more (SciPy's ``average`` and ``dense``)."""

Rule = Literal["log_ranks", "ranks", "majority"]
"""``log_ranks``: Σ ln rank. ``ranks``: Σ rank. ``majority``: the fraction of the others that most
parts place below it, where a tie counts half."""


@dataclass(frozen=True)
class Part:
    """A proxy of a combination, and how equal scores of it are ranked."""

    proxy: str
    ties: Ties = "mean"


@dataclass(frozen=True)
class Combination:
    """Several proxies as one.

    A rank is the place among n architectures, 1 the worst. −∞ is a score, the lowest. An
    architecture that could not be scored in one of the parts (NaN) has no combined score and, in a
    search, is worse than all that have one; its other scores are ranked all the same.

    Attributes
    ----------
    parts
        What is combined.
    rule
        How, see :data:`Rule`.
    summary
        The formula, for readers.
    cite
        Where it was published.
    relative
        Whether ``log_ranks`` are those of rank / n. Makes no difference to the order.
    """

    parts: tuple[Part, ...]
    rule: Rule
    summary: str
    cite: str
    relative: bool = False

    @property
    def proxies(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(part.proxy for part in self.parts)
