"""The space of NAS-Bench-101: 423,624 cells with an index, a string form and neighbours.

An architecture's *index* is its place in the order of the enumeration: by number of vertices, then
by the bits of its graph, then by its operation code (:mod:`trainfree.spaces.nasbench101.encoding`).
It is found in about 0.3 s without any download. The order of the published table is another one,
by hash; it stands beside the index in benchmark files as ``official_index``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import UnknownNameError
from trainfree.spaces.nasbench101.cell_hashes import cell_hashes, places_by_hash
from trainfree.spaces.nasbench101.drawing import INTERIOR, drawn_encoding
from trainfree.spaces.nasbench101.encoding import (
    PAIRS,
    Bits,
    Codes,
    edge_bit,
    edge_count,
    live_vertices,
    matrix_bits,
    operation_code,
    operation_digits,
    possible_edges,
    specification,
)
from trainfree.spaces.nasbench101.enumeration import SIZES, graphs, moved_codes
from trainfree.spaces.nasbench101.specification import (
    MOST_EDGES,
    MOST_VERTICES,
    OPERATIONS,
    ModelSpec,
)
from trainfree.spaces.nasbench101.text import cell_text, parsed_cell
from trainfree.spaces.numbering import require_index

CellMutation = Literal["published", "one_change"]
_WARM_UP = "conv3x3-bn-relu~0+conv1x1-bn-relu~1+maxpool3x3~0~1+output~0~2~3"


@dataclass(frozen=True)
class GraphCellSpace:
    """All cells, and the skeleton they are stacked in.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    stem_channels
        Channels of the first of three stacks; they double from stack to stack.
    modules_per_stack
        Cells in each stack.
    """

    name: str
    stem_channels: int = 16
    modules_per_stack: int = 3

    @classmethod
    def published(cls) -> Self:
        """NAS-Bench-101 with the 16 stem channels of the NASWOT paper's scores."""
        return cls("nasbench101")

    @classmethod
    def trained(cls) -> Self:
        """NAS-Bench-101 with the 128 stem channels that were trained."""
        return cls("nasbench101", stem_channels=128)

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations an interior vertex may carry."""
        return OPERATIONS

    @property
    def warm_up_architecture(self) -> int:
        """Index of a cell with every operation, sums, projections and a concatenation."""
        return self.parse(_WARM_UP)

    @cached_property
    def cells(self) -> tuple[NDArray[np.int64], Bits, Codes]:
        """Number of vertices, graph bits and operation code of every cell, in index order."""
        parts = [(vertices, *graphs(vertices).cells()) for vertices in SIZES]
        sizes = np.concatenate([np.full(len(bits), size) for size, bits, _ in parts])
        bits, codes = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
        for column in (sizes, bits, codes):
            column.flags.writeable = False
        return sizes, bits, codes

    @cached_property
    def _places(self) -> dict[int, NDArray[np.int64]]:
        """Index of the cell with (graph class, smallest operation code), by vertices."""
        result, start = {}, 0
        for vertices in SIZES:
            first = graphs(vertices).first_code
            is_cell = first == np.arange(first.shape[1])
            places = start - 1 + np.cumsum(is_cell).reshape(first.shape)
            result[vertices] = np.take_along_axis(places, first.astype(np.int64), axis=1)
            start += int(is_cell.sum())
        return result

    @cached_property
    def _by_hash(self) -> NDArray[np.int64]:
        """Indices in the order of the published table; most of a minute."""
        return np.argsort(places_by_hash(cell_hashes(*self.cells)))

    def first_published(self, count: int) -> NDArray[np.int64]:
        """Return the cells that stand first in the published table, which is ordered by hash."""
        return self._by_hash[:count]

    def __len__(self) -> int:
        return len(self.cells[0])

    def cell(self, index: int) -> tuple[int, int, int]:
        """Return number of vertices, graph bits and operation code.

        Raises
        ------
        ArchitectureError
            When the index is outside 0 … len(space) - 1.
        """
        require_index(self, index)
        vertices, bits, code = self.cells
        return int(vertices[index]), int(bits[index]), int(code[index])

    def specification(self, index: int) -> ModelSpec:
        """Return a cell as matrix and operations, numbered as in the published table."""
        return specification(*self.cell(index))

    def index_of_spec(self, spec: ModelSpec) -> int:
        """Return the index of a cell, in whatever numbering and with whatever to be pruned.

        Raises
        ------
        ArchitectureError
            Naming the rule of the search space that the cell breaks.
        """
        matrix, ops = spec.require_valid()
        bits = np.array([matrix_bits(matrix)])
        codes = np.array([operation_code([OPERATIONS.index(name) for name in ops[1:-1]])])
        return int(self.pruned_indices(len(ops), bits, codes)[0])

    def pruned_indices(self, vertices: int, bits: Bits, codes: Codes) -> NDArray[np.int64]:
        """Return the index of each of many cells of one size; −1 for those not in the space.

        A cell of which a vertex would be pruned is not in the space; see :meth:`indices`.
        """
        known = graphs(vertices)
        classes = known.class_of[bits]
        moved = moved_codes(vertices)[known.order_of[bits], codes]
        return np.where(classes >= 0, self._places[vertices][classes, moved], -1)

    def indices(self, bits: Bits, codes: Codes) -> NDArray[np.int64]:
        """Return the index of each of many cells given with 7 vertices, unused ones included.

        −1 stands for a cell that is not in the space: no path, or more than 9 edges when pruned.
        """
        live = live_vertices(bits, MOST_VERTICES)
        result = np.full(len(bits), -1, dtype=np.int64)
        for mask in np.unique(live).tolist():
            kept = [vertex for vertex in range(MOST_VERTICES) if mask >> vertex & 1]
            if len(kept) < 2:
                continue
            rows = np.flatnonzero(live == mask)
            small, code = _without_others(bits[rows], codes[rows], kept)
            allowed = edge_count(small) <= MOST_EDGES
            result[rows[allowed]] = self.pruned_indices(len(kept), small[allowed], code[allowed])
        return result

    def to_string(self, index: int) -> str:
        """Return the cell as text: each vertex after the input with its predecessors.

        For example ``conv3x3-bn-relu~0+maxpool3x3~0~1+output~1~2``.
        """
        return cell_text(*self.cell(index))

    def parse(self, text: str) -> int:
        """Return the index of a cell in string form, in any numbering of its vertices.

        Raises
        ------
        ArchitectureError
            Saying which part of the string is wrong or which rule the cell breaks.
        """
        return self.index_of_spec(parsed_cell(text))

    def _index(self, bits: int, code: int) -> int:
        """Do what :meth:`indices` does for one cell, ten times as fast."""
        before = [[x for x in range(y) if bits >> edge_bit(x, y) & 1] for y in range(MOST_VERTICES)]
        from_input, to_output = {0}, {MOST_VERTICES - 1}
        for y in range(1, MOST_VERTICES):
            if not from_input.isdisjoint(before[y]):
                from_input.add(y)
        for y in reversed(range(MOST_VERTICES)):
            if y in to_output:
                to_output.update(before[y])
        kept = sorted(from_input & to_output)
        if len(kept) < 2:
            return -1
        new = {old: number for number, old in enumerate(kept)}
        edges = [edge_bit(new[x], new[y]) for y in kept for x in before[y] if x in new]
        if len(edges) > MOST_EDGES:
            return -1
        graph, labels = sum(1 << number for number in edges), 0
        digits = operation_digits(MOST_VERTICES)[code].tolist()
        for vertex in kept[1:-1]:
            labels = labels * len(OPERATIONS) + digits[vertex - 1]
        known = graphs(len(kept))
        moved = moved_codes(len(kept)).item(known.order_of.item(graph), labels)
        return self._places[len(kept)].item(known.class_of.item(graph), moved)

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly from the cells (not from their encodings)."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: str) -> int:
        """Return an architecture near ``index``.

        Parameters
        ----------
        rule
            ``"published"`` is the mutation of the benchmark's own scripts: of the cell written
            with 7 vertices (unused ones and their edges drawn at random, where the scripts pass
            them on), each of the 21 edges flips with probability 1/7 and each of the 5 operations
            is replaced with probability 1/5, until the result is in the space; it may be the same
            cell. ``"one_change"`` draws one of :meth:`neighbours` uniformly; the cell that only
            joins input and output has none and stays.

        Raises
        ------
        UnknownNameError
            For another rule.
        """
        if rule == "one_change":
            near = self.neighbours(index) or [index]
            return near[int(rng.integers(len(near)))]
        if rule != "published":
            raise UnknownNameError(f"mutation in {self.name}", rule, get_args(CellMutation))
        bits, digits = drawn_encoding(*self.cell(index), rng)
        while True:
            flips = rng.random(len(PAIRS)) < 1 / MOST_VERTICES
            replaced = rng.random(INTERIOR) < 1 / INTERIOR
            steps = rng.integers(1, len(OPERATIONS), size=INTERIOR)
            changed = bits ^ sum(1 << k for k in np.flatnonzero(flips).tolist())
            code = operation_code(((digits + replaced * steps) % len(OPERATIONS)).tolist())
            found = self._index(changed, code)
            if found >= 0:
                return found

    def neighbours(self, index: int) -> list[int]:
        """Return all other cells got by flipping one edge or replacing one operation, ascending.

        What a removed edge leaves without a path is pruned. No vertex can appear: it would need
        two edges.
        """
        vertices, bits, code = self.cell(index)
        flipped = bits ^ (1 << np.arange(possible_edges(vertices), dtype=np.int64))
        digits = operation_digits(vertices)
        replaced = np.flatnonzero((digits != digits[code]).sum(axis=1) == 1)
        graph = np.concatenate([flipped, np.full(len(replaced), bits)])
        labels = np.concatenate([np.full(len(flipped), code), replaced])
        found = self.indices(*_with_seven_vertices(vertices, graph, labels))
        return [number for number in np.unique(found).tolist() if number not in (-1, index)]


SPACES: Mapping[str, Callable[[], GraphCellSpace]] = {"nasbench101": GraphCellSpace.published}
"""The spaces of this module by name."""


def _without_others(bits: Bits, codes: Codes, kept: Sequence[int]) -> tuple[Bits, Codes]:
    """Keep some of 7 vertices, with new numbers."""
    new = {old: number for number, old in enumerate(kept)}
    small = np.zeros_like(bits)
    for number, (x, y) in enumerate(PAIRS):
        if x in new and y in new:
            small |= (bits >> number & 1) << edge_bit(new[x], new[y])
    digits = operation_digits(MOST_VERTICES)[codes]
    code = np.zeros_like(codes)
    for vertex in kept[1:-1]:
        code = code * len(OPERATIONS) + digits[:, vertex - 1]
    return small, code


def _with_seven_vertices(vertices: int, bits: Bits, codes: Codes) -> tuple[Bits, Codes]:
    """Add unused vertices before the output."""
    large = np.zeros_like(bits)
    for number, (x, y) in enumerate(PAIRS[: possible_edges(vertices)]):
        target = MOST_VERTICES - 1 if y == vertices - 1 else y
        large |= (bits >> number & 1) << edge_bit(x, target)
    return large, codes * len(OPERATIONS) ** (MOST_VERTICES - vertices)
