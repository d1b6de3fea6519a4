"""The cell-level space: four operations on six edges, in a skeleton of five modules.

An architecture is written ``64-41414-3_10_002`` as in the benchmark's files: 64 channels after the
stem, the skeleton ``41414``, then what feeds node 1 (from node 0), node 2 (from 0 and 1) and node 3
(from 0, 1 and 2). Codes are 0 none, 1 skip connection, 2 convolution 1 × 1, 3 convolution 3 × 3.
The index is the place in the lexicographic order of the six codes (Duan et al., CVPR 2021,
section 3.2, and its code).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trainfree.errors import ArchitectureError, UnknownNameError
from trainfree.spaces.numbering import digits_of, from_digits, require_index
from trainfree.spaces.protocol import MutationRule

OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(target node, source node) in the order of the codes."""
STEM, SKELETON = 64, "41414"
MUTATIONS = ("edge", "one_change")
_PREFIX = f"{STEM}-{SKELETON}-"
_EXAMPLE = f"{_PREFIX}3_10_002"
_LENGTHS = (1, 2, 3)


class MicroSpace:
    """All 4,096 cells.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    """

    operations = OPERATIONS
    edges = len(EDGES)

    def __init__(self, name: str = "transnas101_micro") -> None:
        self.name = name

    @property
    def warm_up_architecture(self) -> int:
        """Index of the cell of 3 × 3 convolutions alone."""
        return len(self) - 1

    def __len__(self) -> int:
        return int(len(OPERATIONS) ** len(EDGES))

    def digits(self, index: int) -> tuple[int, ...]:
        """Return the operation code on each edge.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        return digits_of(require_index(self, index), len(OPERATIONS), len(EDGES))

    def index_of(self, digits: Sequence[int]) -> int:
        """Return the index of an architecture given by its operation code on each edge."""
        base = len(OPERATIONS)
        if len(digits) != len(EDGES) or not all(0 <= code < base for code in digits):
            raise ArchitectureError(
                f"architecture {tuple(digits)} is not in {self.name}: expected {len(EDGES)} "
                f"operation codes from 0 to {base - 1}"
            )
        return from_digits(digits, base)

    def to_string(self, index: int) -> str:
        """Return the benchmark's form, for example ``64-41414-3_10_002``."""
        a, b, c, d, e, f = map(str, self.digits(index))
        return f"{_PREFIX}{a}_{b}{c}_{d}{e}{f}"

    def parse(self, text: str) -> int:
        """Return the index of an architecture in the benchmark's form.

        Raises
        ------
        ArchitectureError
            Saying what is wrong with the text.
        """
        written = text.strip()
        if not written.startswith(_PREFIX):
            raise self._malformed(text, f"{_PREFIX} at its start", repr(written[: len(_PREFIX)]))
        nodes = written.removeprefix(_PREFIX).split("_")
        if tuple(map(len, nodes)) != _LENGTHS:
            raise self._malformed(text, "one, two and three codes joined by '_'", repr(nodes))
        codes = "".join(nodes)
        for code in codes:
            if code not in "0123":
                raise self._malformed(text, "codes from 0 to 3", repr(code))
        return self.index_of(list(map(int, codes)))

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return an architecture with another operation on one edge, both drawn uniformly.

        Raises
        ------
        UnknownNameError
            For another rule than ``edge``, which is called ``one_change``, too.
        """
        if rule not in MUTATIONS:
            raise UnknownNameError(f"mutation in {self.name}", rule, MUTATIONS)
        digits, base = list(self.digits(index)), len(OPERATIONS)
        edge = int(rng.integers(len(EDGES)))
        digits[edge] = (digits[edge] + 1 + int(rng.integers(base - 1))) % base
        return self.index_of(digits)

    def neighbours(self, index: int) -> list[int]:
        """Return all architectures with another operation on exactly one edge."""
        digits = self.digits(index)
        return [
            self.index_of([*digits[:edge], code, *digits[edge + 1 :]])
            for edge in range(len(EDGES))
            for code in range(len(OPERATIONS))
            if code != digits[edge]
        ]

    def _malformed(self, text: str, expected: str, found: str) -> ArchitectureError:
        return ArchitectureError(
            f"architecture {text!r} is malformed in {self.name}: expected {expected}, found "
            f"{found}; a well-formed one is {_EXAMPLE!r}"
        )


SPACES: Mapping[str, Callable[[], MicroSpace]] = {"transnas101_micro": MicroSpace}
"""The spaces of this module by name."""
