"""The topology search space: indices, digits, strings, sampling, mutation.

A cell has four nodes and six edges; each edge carries one operation. Edges are in canonical order
1←0, 2←0, 2←1, 3←0, 3←1, 3←2, operations in canonical order none, skip_connect, nor_conv_1x1,
nor_conv_3x3, avg_pool_3x3. An architecture's *digits* are its six operation codes; its *index* is
its place in the lexicographic order of the digits, which needs no download. The official index of
the NAS-Bench-201 files is another order and comes with the benchmark table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ArchitectureError, UnknownNameError, near_match
from trainfree.spaces.numbering import require_index
from trainfree.spaces.protocol import MutationRule

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(target node, source node) in canonical order."""
NODES = 4

NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = ((1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2))
_NASLIB_POSITIONS = tuple(EDGES.index(edge) for edge in NASLIB_EDGES)

MUTATIONS = ("edge", "node_then_edge")
_EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
_TERM = re.compile(r"([^~|+]+)~([0-9]+)")


@dataclass(frozen=True)
class CellSpace:
    """A space of cells with four nodes, and the skeleton the cells are stacked in.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    operations
        Operations an edge may carry, a sub-sequence of ``OPERATIONS``.
    stem_channels
        Channels of the first of three stages; they double from stage to stage.
    cells_per_stage
        Cells in each stage.
    """

    name: str
    operations: tuple[str, ...] = OPERATIONS
    stem_channels: int = 16
    cells_per_stage: int = 5

    @classmethod
    def published(cls) -> Self:
        """NAS-Bench-201 as published: 5 operations, 15,625 architectures, C = 16, N = 5."""
        return cls("nasbench201")

    @classmethod
    def mini(cls) -> Self:
        """Return a space of 729 small networks with the same topology, for tests."""
        return cls("nasbench201_mini", OPERATIONS[:3], stem_channels=4, cells_per_stage=1)

    @property
    def edges(self) -> int:
        """Number of edges of a cell."""
        return len(EDGES)

    @cached_property
    def place_values(self) -> tuple[int, ...]:
        """What one step of each edge's operation code adds to the index."""
        return tuple(len(self.operations) ** (self.edges - 1 - edge) for edge in range(self.edges))

    @property
    def warm_up_architecture(self) -> int:
        """Index of the cell of the space's largest convolutions alone."""
        conv = max(code for code, name in enumerate(self.operations) if "conv" in name)
        return self.index_of([conv] * self.edges)

    def __len__(self) -> int:
        return int(len(self.operations) ** self.edges)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """Yield the digits of all architectures in index order."""
        yield from product(range(len(self.operations)), repeat=self.edges)

    def digits(self, index: int) -> tuple[int, ...]:
        """Return the operation codes on the six edges.

        Raises
        ------
        ArchitectureError
            When the index is outside 0 … len(space) - 1.
        """
        require_index(self, index)
        codes = []
        for place in self.place_values:
            code, index = divmod(index, place)
            codes.append(code)
        return tuple(codes)

    def index_of(self, digits: Sequence[int]) -> int:
        """Return the index of an architecture given by its operation codes."""
        base = len(self.operations)
        if len(digits) != self.edges or not all(0 <= code < base for code in digits):
            raise ArchitectureError(
                f"architecture {tuple(digits)} is not in {self.name}: "
                f"expected {self.edges} operation codes from 0 to {base - 1}"
            )
        return sum(code * place for code, place in zip(digits, self.place_values, strict=True))

    def operation_names(self, index: int) -> tuple[str, ...]:
        """Return the names of the operations on the six edges."""
        return tuple(self.operations[code] for code in self.digits(index))

    def to_string(self, index: int) -> str:
        """Return the published string form, for example ``|none~0|+|…|+|…|``."""
        nodes: list[list[str]] = [[] for _ in range(NODES)]
        for (target, source), name in zip(EDGES, self.operation_names(index), strict=True):
            nodes[target].append(f"{name}~{source}")
        return "+".join("|" + "|".join(terms) + "|" for terms in nodes[1:])

    def parse(self, text: str) -> int:
        """Return the index of an architecture in string form.

        Raises
        ------
        ArchitectureError
            Saying which part of the string is wrong.
        """
        found: dict[tuple[int, int], str] = {}
        parts = text.strip().split("+")
        if len(parts) != NODES - 1:
            raise self._malformed(text, f"{NODES - 1} parts joined by '+'", f"{len(parts)}")
        for target, part in enumerate(parts, start=1):
            if not (part.startswith("|") and part.endswith("|")):
                raise self._malformed(text, f"node {target} between '|' and '|'", repr(part))
            for term in part[1:-1].split("|"):
                match = _TERM.fullmatch(term)
                if match is None:
                    raise self._malformed(text, "terms of the form operation~node", repr(term))
                edge = (target, int(match[2]))
                if edge not in EDGES or edge in found:
                    raise self._malformed(text, f"node {target} fed once by each earlier", term)
                found[edge] = self._known_operation(match[1], text)
        if len(found) != self.edges:
            missing = [
                f"{target}<-{source}" for target, source in EDGES if (target, source) not in found
            ]
            raise self._malformed(text, f"{self.edges} edges", f"no edge {', '.join(missing)}")
        return self.index_of([self.operations.index(found[edge]) for edge in EDGES])

    def from_naslib(self, codes: Sequence[int]) -> int:
        """Return the index of an architecture in NASLib's encoding.

        NASLib orders operations skip_connect, none, nor_conv_3x3, nor_conv_1x1, avg_pool_3x3 and
        edges 0→1, 0→2, 0→3, 1→2, 1→3, 2→3.
        """
        if len(codes) != self.edges or not all(0 <= code < len(OPERATIONS) for code in codes):
            raise ArchitectureError(
                f"NASLib architecture {tuple(codes)} is malformed: expected {self.edges} "
                f"operation codes from 0 to {len(OPERATIONS) - 1}"
            )
        digits = [0] * self.edges
        for position, code in zip(_NASLIB_POSITIONS, codes, strict=True):
            name = self._known_operation(NASLIB_OPERATIONS[code], str(tuple(codes)))
            digits[position] = self.operations.index(name)
        return self.index_of(digits)

    def to_naslib(self, index: int) -> tuple[int, ...]:
        """Return an architecture in NASLib's encoding (see :meth:`from_naslib`)."""
        names = self.operation_names(index)
        return tuple(NASLIB_OPERATIONS.index(names[position]) for position in _NASLIB_POSITIONS)

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly, each edge independently."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return an architecture that differs from ``index`` in exactly one edge.

        Parameters
        ----------
        rule
            ``"edge"`` draws the edge uniformly; ``"node_then_edge"`` draws a node, then one of
            the edges into it, as the NAS-Bench-201 and NATS-Bench scripts do, so that the edge
            probabilities are 1/3, 1/6, 1/6, 1/9, 1/9, 1/9.

        Raises
        ------
        UnknownNameError
            For another rule.
        """
        edge = self._draw_edge(rng, rule)
        place, base = self.place_values[edge], len(self.operations)
        old = index // place % base
        new = (old + 1 + int(rng.integers(base - 1))) % base
        return index + (new - old) * place

    def neighbours(self, index: int) -> list[int]:
        """Return all architectures that differ from ``index`` in exactly one edge."""
        digits = self.digits(index)
        return [
            index + (code - digits[edge]) * place
            for edge, place in enumerate(self.place_values)
            for code in range(len(self.operations))
            if code != digits[edge]
        ]

    def is_connected(self, index: int) -> bool:
        """Whether the cell's output depends on its input: some path has no ``none`` on it."""
        reached = {0}
        for (target, source), name in zip(EDGES, self.operation_names(index), strict=True):
            if name != "none" and source in reached:
                reached.add(target)
        return NODES - 1 in reached

    def subsets(self) -> dict[str, NDArray[np.bool_]]:
        """Return (arch,) which cells are connected, 15,284 of the published 15,625."""
        connected = (self.is_connected(index) for index in range(len(self)))
        return {"connected cells": np.fromiter(connected, dtype=np.bool_, count=len(self))}

    def _draw_edge(self, rng: np.random.Generator, rule: MutationRule) -> int:
        if rule == "edge":
            return int(rng.integers(self.edges))
        if rule != "node_then_edge":
            raise UnknownNameError(f"mutation in {self.name}", rule, MUTATIONS)
        node = 1 + int(rng.integers(NODES - 1))
        return EDGES.index((node, int(rng.integers(node))))

    def _known_operation(self, name: str, text: str) -> str:
        if name not in self.operations:
            raise ArchitectureError(
                f"architecture {text!r}: unknown operation {name!r} in {self.name}"
                f"{near_match(name, self.operations)}; known are: {', '.join(self.operations)}"
            )
        return name

    def _malformed(self, text: str, expected: str, found: str) -> ArchitectureError:
        return ArchitectureError(
            f"architecture {text!r} is malformed: expected {expected}, found {found}; "
            f"a well-formed one is {_EXAMPLE!r}"
        )


SPACES: Mapping[str, Callable[[], CellSpace]] = {
    "nasbench201": CellSpace.published,
    "nasbench201_mini": CellSpace.mini,
}
"""The spaces of this module by name."""
