"""A recurrent cell as ENAS has it: nodes in a row, each fed by one before it.

The first node takes the word and the last state; every other takes one node before it. Each has an
activation. The mean of the nodes that feed no other is the output and the next state (Pham et al.,
section 2.1). As a text, a cell is ``tanh|relu~0|identity~1``: the activation of each node, and of
which node it takes the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from trainfree.errors import ArchitectureError, near_match, shown

ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")
"""In the order of the numbers of the ENAS authors' cells."""
NODES = 12
"""Of the paper's cells."""


class Cell(NamedTuple):
    """A recurrent cell.

    Attributes
    ----------
    activations
        Of each node.
    previous
        Of each node but the first, the node that feeds it.
    """

    activations: tuple[str, ...]
    previous: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the cell of a text, or of the ENAS authors' numbers (``"0 0 0 1 1"``).

        Raises
        ------
        ArchitectureError
            When it is no cell; says what is wrong.
        """
        if text.replace(" ", "").isdecimal():
            numbers = [int(number) for number in text.split()]
            if len(numbers) % 2 == 0:
                raise _wrong(text, "an odd number of numbers", str(len(numbers)))
            return cls.from_choices(numbers)
        first, *others = text.split("|")
        activations, previous = [first], []
        for part in others:
            activation, tilde, node = part.partition("~")
            if not tilde or not node.isdecimal():
                raise _wrong(text, "nodes such as 'relu~0' behind the first one", shown(part))
            activations.append(activation)
            previous.append(int(node))
        return cls(tuple(activations), tuple(previous)).checked()

    @classmethod
    def from_choices(cls, choices: Sequence[int]) -> Self:
        """Return the cell of a controller's choices, (2 nodes - 1,).

        They are the first node's activation, then of each node its previous one and its activation.

        Raises
        ------
        ArchitectureError
            When a number is none of an activation or of a node before.
        """
        numbers = choices[0::2]
        if not all(0 <= number < len(ACTIVATIONS) for number in numbers):
            raise _wrong(
                " ".join(map(str, choices)),
                f"activations from 0 to {len(ACTIVATIONS) - 1}",
                str(list(numbers)),
            )
        activations = tuple(ACTIVATIONS[number] for number in numbers)
        return cls(activations, tuple(choices[1::2])).checked()

    def checked(self) -> Self:
        """Return the cell itself.

        Raises
        ------
        ArchitectureError
            When an activation is unknown, or a node is fed by none before it.
        """
        for activation in self.activations:
            if activation not in ACTIVATIONS:
                hint = near_match(activation, ACTIVATIONS)
                expected = f"activations among {', '.join(ACTIVATIONS)}"
                raise _wrong(str(self), expected, f"{shown(activation)}{hint}")
        if len(self.previous) != len(self.activations) - 1:
            raise _wrong(str(self), "one node before each but the first", str(self.previous))
        for node, before in enumerate(self.previous, 1):
            if not 0 <= before < node:
                raise _wrong(str(self), f"node {node} fed by one of 0 to {node - 1}", str(before))
        return self

    def __str__(self) -> str:
        """Return the cell as a text."""
        others = zip(self.activations[1:], self.previous, strict=False)
        return "|".join((self.activations[0], *(f"{name}~{node}" for name, node in others)))

    @property
    def choices(self) -> list[int]:
        """The choices that :meth:`from_choices` takes."""
        numbers = [ACTIVATIONS.index(name) for name in self.activations]
        pairs = zip(self.previous, numbers[1:], strict=True)
        return [numbers[0], *(number for pair in pairs for number in pair)]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of a node and one that it feeds, in the order of the latter."""
        return [(before, node) for node, before in enumerate(self.previous, 1)]

    @property
    def leaves(self) -> list[int]:
        """The nodes that feed no other."""
        return [node for node in range(len(self.activations)) if node not in self.previous]


def options(nodes: int) -> list[int]:
    """Return how many options each choice of a cell has."""
    return [len(ACTIVATIONS), *(n for node in range(1, nodes) for n in (node, len(ACTIVATIONS)))]


def kinds(nodes: int) -> list[int]:
    """Return what is chosen, for a controller: 0 an activation, ``node`` what feeds that one."""
    return [0, *(kind for node in range(1, nodes) for kind in (node, 0))]


def every_edge(nodes: int) -> list[tuple[int, int]]:
    """Return all pairs of nodes of which the first may feed the second."""
    return [(before, node) for node in range(1, nodes) for before in range(node)]


def random_cell(nodes: int, rng: np.random.Generator) -> Cell:
    """Return a cell whose choices are drawn uniformly."""
    return Cell.from_choices([int(rng.integers(count)) for count in options(nodes)])


def _wrong(text: str, expected: str, found: str) -> ArchitectureError:
    return ArchitectureError(
        f"recurrent cell {shown(text, 400)}: expected {expected}, found {found}"
    )
