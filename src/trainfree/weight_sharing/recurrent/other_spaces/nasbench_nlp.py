"""NAS-Bench-NLP's cells in ENAS's encoding, as far as they fit.

Klyuchnikov et al., *NAS-Bench-NLP* (2020). A recipe names for each node an operation and its
inputs; ``x`` is the word, ``h_prev_0`` the state. Its space is another one: gates, products, sums
and several states wherever they please, and the word at any node. What fits is a linear layer of
word and state with an activation, and behind it a chain or tree of linear layers of one node with
an activation each, or of ENAS's own gated nodes (a blend), of which one leaf or the sum of
several is the new state. The sum of leaves is read as their mean: the next layer's weights differ
by a factor.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trainfree.weight_sharing.recurrent.cell import Cell

WORD, STATE, NEW = "x", "h_prev_0", "h_new_0"
ACTIVATIONS = {"activation_tanh": "tanh", "activation_sigm": "sigmoid"}
"""The activations that both spaces have. Leaky ReLU is none of ENAS's."""
Recipe = Mapping[str, Mapping[str, Any]]


class Reading(NamedTuple):
    """A recipe as it was read.

    Attributes
    ----------
    cell
        None where it does not fit.
    gated
        Whether all nodes have ENAS's gate; without it the cell has the recipe's nodes and
        activations, and highway connections besides.
    why
        Why it does not fit; empty where it does.
    """

    cell: Cell | None
    gated: bool = False
    why: str = ""


class _Misfit(Exception):  # noqa: N818 - it never leaves this file
    """A recipe is none of ENAS's space."""


def read_recipe(text: str) -> Reading:
    """Return a recipe, a JSON text, as a cell, or why it is none."""
    try:
        recipe = json.loads(text)
    except ValueError:
        recipe = None
    if not isinstance(recipe, dict) or NEW not in recipe:
        return Reading(None, why="no recipe of a cell")
    try:
        return _Reader(recipe).read()
    except _Misfit as misfit:
        return Reading(None, why=str(misfit))


def reasons(recipes: Iterable[str]) -> Counter[str]:
    """Return how many recipes fit with gates, fit but for their gates, or why they do not fit."""
    counts: Counter[str] = Counter()
    for reading in map(read_recipe, recipes):
        fits = "fits" if reading.gated else "fits but for the gates"
        counts[fits if reading.cell else reading.why] += 1
    return counts


class _Reader:
    """Walks through a recipe from its new state back to the word."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.order: dict[str, int] = {}
        self.activations: list[str] = []
        self.previous: list[int] = []
        self.gates: list[bool] = []
        self.begun: set[str] = set()

    def read(self) -> Reading:
        if any(name.startswith("h_new_") and name != NEW for name in self.recipe):
            raise _Misfit("more than one state")
        leaves = self._summands(NEW)
        for leaf in leaves:
            self._node(leaf)
        cell = Cell(tuple(self.activations), tuple(self.previous)).checked()
        if sorted(self.order[leaf] for leaf in leaves) != cell.leaves:
            raise _Misfit("the new state is a sum of nodes that feed others")
        return Reading(cell, gated=all(self.gates))

    def _summands(self, name: str) -> list[str]:
        operation, inputs = self._of(name)
        if operation != "elementwise_sum":
            return [name]
        if name in self.begun:
            raise _Misfit("nodes in a circle")
        self.begun.add(name)
        return [leaf for source in inputs for leaf in self._summands(source)]

    def _node(self, name: str) -> int:
        """Return the number of a node, those before it first."""
        if name in self.order:
            return self.order[name]
        if name in self.begun:
            raise _Misfit("nodes in a circle")
        self.begun.add(name)
        operation, inputs = self._of(name)
        gated = operation == "blend"
        new = self._candidate(name, inputs) if gated else name
        activation, (linear,) = self._activation(new)
        sources = self._linear(linear)
        if sources == {WORD, STATE}:
            if self.activations:
                raise _Misfit("more than one node of word and state")
        elif len(sources) != 1 or sources & {WORD, STATE}:
            raise _Misfit("a linear layer of several nodes, or of the word behind the first node")
        else:
            self.previous.append(self._node(*sources))
        self.order[name] = len(self.activations)
        self.activations.append(activation)
        self.gates.append(gated)
        return self.order[name]

    def _candidate(self, name: str, inputs: list[str]) -> str:
        """Return what a blend mixes with its node's input, where it is ENAS's gate.

        NAS-Bench-NLP's ``blend`` of (a, b, c) is a · b + (1 - a) · c.
        """
        gate, new, source = inputs
        activation, (linear,) = self._activation(gate)
        sources = self._linear(linear)
        same = self._linear(self._activation(new)[1][0]) == sources
        handed = STATE if sources == {WORD, STATE} else next(iter(sources))
        if activation != "sigmoid" or not same or source != handed:
            raise _Misfit("a blend that is no gate of ENAS")
        return new

    def _activation(self, name: str) -> tuple[str, list[str]]:
        operation, inputs = self._of(name)
        if operation == "activation_leaky_relu":
            raise _Misfit("leaky ReLU")
        if operation not in ACTIVATIONS:
            raise _Misfit(f"{operation} where an activation has to be")
        return ACTIVATIONS[operation], inputs

    def _linear(self, name: str) -> set[str]:
        operation, inputs = self._of(name)
        if operation != "linear":
            raise _Misfit(f"{operation} where a linear layer has to be")
        return set(inputs)

    def _of(self, name: str) -> tuple[str, list[str]]:
        """Return the operation of a node and its inputs."""
        node = self.recipe.get(name)
        if node is None:
            raise _Misfit("a word, a state or nothing where a node has to be")
        operation, inputs = str(node.get("op")), [str(source) for source in node.get("input", [])]
        wanted = {"blend": 3, **dict.fromkeys(ACTIVATIONS, 1)}.get(operation, len(inputs))
        if not inputs or len(inputs) != wanted:
            raise _Misfit(f"{operation} of {len(inputs)} inputs")
        return operation, inputs
