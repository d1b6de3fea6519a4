"""When are two cells the same? Four answers, from strict to exact.

The published count of unique cells depends on what is ignored (NATS-Bench's own rule comes first):

``skip``
    A skip connection is the identity: 12,751 classes.
``skip_none``
    In addition nothing passes an edge without operation or with a zero input: 6,466 classes. This
    is the number usually quoted, but zeros stay as terms of sums, and a result that is used twice
    is not told from two operations of one kind.
``function``
    Zeros leave sums, nested sums are flattened and shared results are respected: two
    convolutions of one input are not one convolution used twice, two poolings of one input are
    one. Cells are the same exactly when they are the same function of input and weights: 5,260
    classes.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product
from typing import Literal

from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace

CanonicalRule = Literal["skip", "skip_none", "function"]

_ZERO = "#"
_INPUT = "0"


def canonical_form(space: CellSpace, index: int, rule: CanonicalRule) -> str:
    """Return a string that is equal for cells that are the same under ``rule``."""
    operations = space.operation_names(index)
    if rule == "function":
        return _function_form(operations)
    return _expression(operations, drop_none=rule == "skip_none")


def _expression(operations: tuple[str, ...], drop_none: bool) -> str:
    """Write the output node as nested sums; the summands are sorted, zeros remain as terms."""
    nodes = [_INPUT]
    for target in range(1, NODES):
        terms = []
        for (node, source), name in zip(EDGES, operations, strict=True):
            if node != target:
                continue
            if drop_none and (name == "none" or nodes[source] == _ZERO):
                terms.append(_ZERO)
            elif name == "skip_connect":
                terms.append(nodes[source])
            else:
                terms.append(f"({nodes[source]})@{name}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def _function_form(operations: tuple[str, ...]) -> str:
    """Write the cell as a graph of its live operations, smallest over equivalent numberings.

    A value is a multiset of terms: the input, or the result of one of the six operations. The
    graph is coloured by what each operation computes; only operations of one colour can change
    places, so the search for the smallest numbering is short.
    """
    values, inputs = _values_of_nodes(operations)
    output = values[NODES - 1]
    live = _live_operations(output, inputs)
    groups: dict[str, list[int]] = {}
    for edge in sorted(live):
        groups.setdefault(_unfold(edge, operations, inputs), []).append(edge)
    keys = sorted(groups)
    numberings = product(*(permutations(groups[key]) for key in keys))
    return min(
        _write([edge for group in numbering for edge in group], operations, inputs, output)
        for numbering in numberings
    )


def _values_of_nodes(
    operations: tuple[str, ...],
) -> tuple[list[Counter[int]], dict[int, Counter[int]]]:
    """Return each node's terms (-1 is the input, e the result of edge e) and each edge's input."""
    values: list[Counter[int]] = [Counter({-1: 1})]
    inputs: dict[int, Counter[int]] = {}
    for target in range(1, NODES):
        value: Counter[int] = Counter()
        for edge, ((node, source), name) in enumerate(zip(EDGES, operations, strict=True)):
            if node != target or name == "none" or not values[source]:
                continue
            if name == "skip_connect":
                value += values[source]
            else:
                twin = _equal_pooling(edge, operations, values[source], inputs)
                inputs[twin] = values[source]
                value[twin] += 1
        values.append(value)
    return values, inputs


def _equal_pooling(
    edge: int,
    operations: tuple[str, ...],
    value: Counter[int],
    inputs: dict[int, Counter[int]],
) -> int:
    """Return an earlier pooling of the same value: without weights the two are one operation."""
    if operations[edge] == "avg_pool_3x3":
        for other, other_value in inputs.items():
            if operations[other] == "avg_pool_3x3" and other_value == value:
                return other
    return edge


def _live_operations(output: Counter[int], inputs: dict[int, Counter[int]]) -> set[int]:
    live: set[int] = set()
    waiting = list(output)
    while waiting:
        term = waiting.pop()
        if term >= 0 and term not in live:
            live.add(term)
            waiting.extend(inputs[term])
    return live


def _unfold(edge: int, operations: tuple[str, ...], inputs: dict[int, Counter[int]]) -> str:
    terms = sorted(
        _INPUT if term < 0 else _unfold(term, operations, inputs)
        for term in inputs[edge].elements()
    )
    return f"{operations[edge]}({'+'.join(terms)})"


def _write(
    order: list[int],
    operations: tuple[str, ...],
    inputs: dict[int, Counter[int]],
    output: Counter[int],
) -> str:
    place = {-1: -1} | {edge: number for number, edge in enumerate(order)}

    def terms(value: Counter[int]) -> str:
        return "+".join(map(str, sorted(place[term] for term in value.elements())))

    lines = [f"{operations[edge]}({terms(inputs[edge])})" for edge in order]
    return ";".join([*lines, terms(output)])
