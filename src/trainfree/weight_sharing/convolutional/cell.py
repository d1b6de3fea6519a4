"""Pairs of cells of ENAS: how they are written, drawn and checked, and what NDS calls them.

Pham et al., *Efficient Neural Architecture Search via Parameter Sharing* (ICML 2018), section 2.4.
A cell has states: 0 and 1 are the outputs of the two cells before, each node adds one. A node is
the sum of two operations on states before it. A cell's output are its loose ends: the nodes that no
other reads, and, of a normal cell, inputs that no node reads, as in the published code. Inputs of a
reduction cell are twice as large as its nodes; networks of NDS leave them out, and so do these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainfree.errors import ArchitectureError, shown
from trainfree.spaces.nds.networks import Cell, CellNetwork, parse_network

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
"""In the order in which the published code numbers them; the names are those of NDS."""
INPUTS = 2
"""States that a cell begins with."""
STEPS = 4
"""Choices of a node: its two inputs, then its two operations."""
PUBLISHED = (
    "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 "  # the normal cell
    "1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
)
"""The cells that the authors found and trained (melodyguan/enas, ``cifar10_micro_final.sh``)."""
EXAMPLE = "normal=sep_conv_3x3~0+skip_connect~1+…>2,3 reduce=…"


@dataclass(frozen=True)
class CellPair:
    """A normal cell and a reduction cell, each with its loose ends as output.

    Raises
    ------
    ArchitectureError
        When an operation is none of the five, a node reads what is not there, the outputs are not
        the loose ends, or the cells differ in their numbers of nodes.
    """

    normal: Cell
    reduction: Cell

    def __post_init__(self) -> None:
        for name, cell in (("normal", self.normal), ("reduce", self.reduction)):
            _check(cell, name, self)
        if len(self.normal.operations) != len(self.reduction.operations):
            raise ArchitectureError(
                f"cells {shown(str(self))}: expected as many nodes in both, found "
                f"{len(self.normal.operations) // 2} and {len(self.reduction.operations) // 2}"
            )

    @property
    def nodes(self) -> int:
        """Number of nodes of each cell."""
        return len(self.normal.operations) // 2

    def __str__(self) -> str:
        """Return the pair in text, for example ``normal=…>2,3 reduce=…``."""
        return f"normal={self.normal} reduce={self.reduction}"

    @property
    def choices(self) -> tuple[int, ...]:
        """What a controller chooses to get this pair, (8 · nodes,); see :func:`pair_of`."""
        return (*_choices(self.normal), *_choices(self.reduction))

    def network(self, channels: int, cells: int, *, auxiliary: bool = False) -> CellNetwork:
        """Return the network of the space ``nds_enas`` that stacks these cells.

        Parameters
        ----------
        channels
            Of a node of the first cell.
        cells
            Number of cells, the reductions among them.
        auxiliary
            Whether a second classifier helps its training.
        """
        return CellNetwork(self.normal, self.reduction, channels, cells, auxiliary)


def options(nodes: int) -> tuple[int, ...]:
    """Return the number of options of each choice of a pair, (8 · nodes,)."""
    cell = [(INPUTS + node, INPUTS + node, *2 * [len(OPERATIONS)]) for node in range(nodes)]
    return tuple(number for node in 2 * cell for number in node)


def kinds(nodes: int) -> tuple[int, ...]:
    """Return what is chosen at each step, (8 · nodes,): node n's inputs are n, operations last.

    Both cells have the same kinds, as the published controller has the same weights for both.
    """
    return tuple(kind for node in 2 * [*range(nodes)] for kind in (node, node, nodes, nodes))


def pair_of(choices: Sequence[int]) -> CellPair:
    """Return the pair that choices stand for.

    Parameters
    ----------
    choices
        Of the normal cell, then of the reduction cell; of each node its first and its second
        input, then the first and the second operation.

    Raises
    ------
    ArchitectureError
        When they are no whole number of nodes, or one is none of the options.
    """
    if not choices or len(choices) % (2 * STEPS):
        raise ArchitectureError(
            f"choices of two cells: expected {2 * STEPS} numbers a node, found {len(choices)}"
        )
    allowed = options(len(choices) // (2 * STEPS))
    for place, (choice, most) in enumerate(zip(choices, allowed, strict=True)):
        if not 0 <= choice < most:
            raise ArchitectureError(
                f"choices of two cells: expected number {place} to be 0 to {most - 1}, found "
                f"{choice}"
            )
    half = len(choices) // 2
    return CellPair(_cell(choices[:half], reduces=False), _cell(choices[half:], reduces=True))


def parse_pair(text: str) -> CellPair:
    """Return the pair that :meth:`CellPair.__str__` wrote.

    Raises
    ------
    ArchitectureError
        Saying what is wrong with the text.
    """
    try:
        network = parse_network(f"cells w=1 d=1 aux=0 {text}")
    except ArchitectureError as error:
        raise ArchitectureError(
            f"cells {shown(text)}: expected two cells as in {EXAMPLE}: {error}"
        ) from error
    return pair_of_network(network)


def pair_of_network(network: object) -> CellPair:
    """Return the cells of a network of NDS.

    Raises
    ------
    ArchitectureError
        When it is made of stages, or its cells are none of ENAS.
    """
    if not isinstance(network, CellNetwork):
        raise ArchitectureError(
            f"{shown(str(network))}: expected a network of cells, found one of stages"
        )
    return CellPair(network.normal, network.reduction)


def parse_published(text: str) -> CellPair:
    """Return the pair of a text of numbers as the published code has them.

    Of each node: first input, first operation, second input, second operation.

    Raises
    ------
    ArchitectureError
        When the text holds anything but numbers, or they are no two cells.
    """
    words = text.split()
    if not words or not all(word.isdecimal() and len(word) <= 2 for word in words):
        raise ArchitectureError(
            f"cells {shown(text)}: expected numbers such as {PUBLISHED[:20]}…, found other words"
        )
    numbers = [int(word) for word in words]
    if len(numbers) % STEPS:
        raise ArchitectureError(
            f"cells {shown(text)}: expected {STEPS} numbers a node, found {len(numbers)}"
        )
    reordered = [(node[0], node[2], node[1], node[3]) for node in _by_node(numbers)]
    return pair_of([number for node in reordered for number in node])


def random_pair(rng: np.random.Generator, nodes: int) -> CellPair:
    """Return a pair of which every choice is drawn uniformly."""
    return pair_of([int(rng.integers(number)) for number in options(nodes)])


def loose_ends(inputs: Sequence[int], *, reduces: bool) -> tuple[int, ...]:
    """Return the states that are a cell's output.

    Parameters
    ----------
    inputs
        States that the operations read, (2 · nodes,).
    reduces
        Whether it is the reduction cell.
    """
    states = range(INPUTS if reduces else 0, INPUTS + len(inputs) // 2)
    return tuple(state for state in states if state not in inputs)


def _cell(choices: Sequence[int], *, reduces: bool) -> Cell:
    nodes = _by_node(choices)
    inputs = tuple(int(state) for node in nodes for state in node[:2])
    operations = tuple(OPERATIONS[number] for node in nodes for number in node[2:])
    return Cell(operations, inputs, loose_ends(inputs, reduces=reduces))


def _by_node(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[place : place + STEPS] for place in range(0, len(numbers), STEPS)]


def _choices(cell: Cell) -> list[int]:
    found: list[int] = []
    for node in range(0, len(cell.operations), 2):
        found += cell.inputs[node : node + 2]
        found += [OPERATIONS.index(name) for name in cell.operations[node : node + 2]]
    return found


def _check(cell: Cell, name: str, pair: CellPair) -> None:
    def wrong(expected: str) -> ArchitectureError:
        return ArchitectureError(f"cells {shown(str(pair))}: {name}: expected {expected}")

    count = len(cell.operations)
    if count < 2 or count % 2 or len(cell.inputs) != count:
        raise wrong(f"two operations a node with an input each, found {count}")
    if unknown := [each for each in cell.operations if each not in OPERATIONS]:
        raise wrong(f"operations among {', '.join(OPERATIONS)}, found {unknown[0]}")
    for place, state in enumerate(cell.inputs):
        if not 0 <= state < INPUTS + place // 2:
            raise wrong(f"node {place // 2} to read 0 to {1 + place // 2}, found {state}")
    ends = loose_ends(cell.inputs, reduces=name == "reduce")
    if cell.output != ends:
        raise wrong(f"its loose ends {list(ends)} as output, found {list(cell.output)}")
