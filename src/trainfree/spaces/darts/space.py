"""The space of DARTS, and lists of its cells that others trained.

The published space (Liu et al., ICLR 2019, section 2): in each of two cells, four nodes that read
two different states before them, through one of seven operations each. An architecture's index has
as digits, for the normal cell and then the reduction cell and for each node, which two states it
reads and the two operations. Lists need not keep to it: some have ``none``, or read one state
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from math import prod

import numpy as np

from trainfree.errors import ArchitectureError, ImageError, UnknownNameError
from trainfree.spaces.darts.form import EVALUATION, SMALL, Form, parameters
from trainfree.spaces.darts.genotype import (
    CONCAT,
    NODES,
    OPERATIONS,
    Cell,
    Genotype,
    parse_genotype,
)
from trainfree.spaces.listed import ListedSpace
from trainfree.spaces.numbering import require_index
from trainfree.spaces.protocol import Module, MutationRule

STATES = tuple(tuple(combinations(range(node + 2), 2)) for node in range(NODES))
"""Pairs of states that each node may read."""
_RADICES = tuple(
    radix for pairs in STATES for radix in (len(pairs), len(OPERATIONS), len(OPERATIONS))
)
_CELL_SIZE = prod(_RADICES)
_WARM_UP = Cell(
    (
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 1),
        ("dil_conv_5x5", 0),
        ("dil_conv_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 1),
        ("avg_pool_3x3", 0),
        ("sep_conv_5x5", 1),
    )
)


class _NetworksOfCells:
    """What follows from the cells of an architecture and the network that they are put into."""

    form: Form

    def genotype(self, index: int) -> Genotype:
        """Return the cells of an architecture."""
        raise NotImplementedError

    def parameters(self, index: int, classes: int) -> int:
        """Return the number of trained parameters; no module is built."""
        return parameters(self.form, self.genotype(index), classes)

    def module(self, index: int, *, classes: int, image_size: int) -> Module:
        """Return a new network of architecture ``index``.

        Raises
        ------
        ArchitectureError
            When there is none.
        ImageError
            When images cannot be halved twice.
        """
        return _network(self.genotype(index), self.form, classes, image_size)


class DartsSpace(_NetworksOfCells):
    """All genotypes of the published space, (∏ k (k + 1) / 2 · 7²)² for k = 1 to 4.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    form
        The network that the cells are put into.
    """

    def __init__(self, name: str = "darts", form: Form = EVALUATION) -> None:
        self.name, self.form = name, form

    @property
    def operations(self) -> tuple[str, ...]:
        """The seven operations."""
        return OPERATIONS

    @property
    def warm_up_architecture(self) -> int:
        """Index of one with every operation in both cells."""
        return self.index_of(Genotype(_WARM_UP, _WARM_UP))

    def __len__(self) -> int:
        return _CELL_SIZE**2

    def genotype(self, index: int) -> Genotype:
        """Return the cells of an architecture, each node's edges by the states they read.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        normal, reduce = divmod(require_index(self, index), _CELL_SIZE)
        return Genotype(_cell_at(normal), _cell_at(reduce))

    def index_of(self, genotype: Genotype) -> int:
        """Return the index of a genotype, whichever edge of a node is written first.

        Raises
        ------
        ArchitectureError
            When it is none of the space.
        """
        place = 0
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
            place = place * _CELL_SIZE + self._place(name, cell)
        return place

    def _place(self, name: str, cell: Cell) -> int:
        def wrong(expected: str) -> ArchitectureError:
            return ArchitectureError(
                f"genotype {str(cell.edges)[:80]} is not in {self.name}: {name}: {expected}"
            )

        if len(cell.edges) != 2 * NODES or cell.concat != CONCAT:
            raise wrong(
                f"expected {NODES} nodes, concatenated as {list(CONCAT)}, found "
                f"{len(cell.edges) // 2}, as {list(cell.concat)}"
            )
        digits: list[int] = []
        for node, edges in enumerate(cell.nodes()):
            one, other = sorted(edges, key=lambda edge: edge[1])
            if one[1] == other[1]:
                raise wrong(f"node {node}: expected two different states, found {one[1]} twice")
            if unknown := [edge[0] for edge in edges if edge[0] not in OPERATIONS]:
                raise wrong(f"expected one of {', '.join(OPERATIONS)}, found {unknown[0]}")
            pair = STATES[node].index((one[1], other[1]))
            digits += [pair, OPERATIONS.index(one[0]), OPERATIONS.index(other[0])]
        place = 0
        for digit, radix in zip(digits, _RADICES, strict=True):
            place = place * radix + digit
        return place

    def to_string(self, index: int) -> str:
        """Return the genotype in the field's notation; raises as :meth:`genotype`."""
        return str(self.genotype(index))

    def parse(self, text: str) -> int:
        """Return the index of a genotype in the field's notation.

        Raises
        ------
        ArchitectureError
            Saying what is wrong with the text.
        """
        return self.index_of(parse_genotype(text))

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return one of the neighbours, drawn uniformly.

        Raises
        ------
        UnknownNameError
            For another rule than ``one_change``.
        """
        if rule != "one_change":
            raise UnknownNameError(f"mutation in {self.name}", rule, ["one_change"])
        near = list(_near(self.genotype(index)))
        return self.index_of(near[int(rng.integers(len(near)))])

    def neighbours(self, index: int) -> list[int]:
        """Return the 120 architectures with another operation, or another state, of one edge."""
        return [self.index_of(genotype) for genotype in _near(self.genotype(index))]


class TrainedCells(_NetworksOfCells, ListedSpace):
    """Genotypes that somebody trained.

    Parameters
    ----------
    name, size, members
        As of :class:`~trainfree.spaces.listed.ListedSpace`.
    form
        The network that the cells are put into.
    """

    def __init__(
        self,
        name: str,
        size: int,
        members: Sequence[str] | None = None,
        form: Form = EVALUATION,
    ) -> None:
        super().__init__(name, size, members)
        self.form = form

    def genotype(self, index: int) -> Genotype:
        """Return the cells of an architecture.

        Raises
        ------
        ArchitectureError
            When the index is not in the list.
        """
        return parse_genotype(self.to_string(index))


def _network(genotype: Genotype, form: Form, classes: int, image_size: int) -> Module:
    if image_size < 8 or image_size % 4:
        raise ImageError(
            f"networks of DARTS cells halve images twice: expected a multiple of 4 pixels, from 8, "
            f"found {image_size}"
        )
    from trainfree.spaces.darts.modules import CellNetwork

    return CellNetwork(genotype, form, classes)


def _cell_at(place: int) -> Cell:
    digits = []
    for radix in reversed(_RADICES):
        place, digit = divmod(place, radix)
        digits.append(digit)
    digits.reverse()
    edges = []
    for node in range(NODES):
        pair, *operations = digits[3 * node : 3 * node + 3]
        states = STATES[node][pair]
        edges += [(OPERATIONS[o], state) for o, state in zip(operations, states, strict=True)]
    return Cell(tuple(edges))


def _near(here: Genotype) -> Iterator[Genotype]:
    for cell in _one_change(here.normal):
        yield Genotype(cell, here.reduce)
    for cell in _one_change(here.reduce):
        yield Genotype(here.normal, cell)


def _one_change(cell: Cell) -> Iterator[Cell]:
    for place, (operation, state) in enumerate(cell.edges):
        other_state = cell.edges[place ^ 1][1]
        changed = [(other, state) for other in OPERATIONS if other != operation]
        free = set(range(place // 2 + 2)) - {state, other_state}
        changed += [(operation, other) for other in sorted(free)]
        for edge in changed:
            yield Cell((*cell.edges[:place], edge, *cell.edges[place + 1 :]))


SPACES: Mapping[str, Callable[[], DartsSpace | TrainedCells]] = {
    "darts": DartsSpace,
    "darts_small": partial(DartsSpace, "darts_small", SMALL),
    "darts_bench545": partial(TrainedCells, "darts_bench545", 545),
    "darts_swap": partial(TrainedCells, "darts_swap", 1000),
    "darts_random214": partial(TrainedCells, "darts_random214", 214),
    "nasbench301": partial(TrainedCells, "nasbench301", 725, form=SMALL),
}
"""The spaces of this module by name."""
