"""Networks in parts, one a block, that can be told apart without looking at where they stand.

Cells of one architecture, and the rest of the skeleton in all of them, are equal but for numbers of
nodes. What is planned for one of a kind then serves all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from trainfree.scoring.gpu_engine.blocks.memory import Numbers
from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    Relu,
    Shift,
    Truncate,
    Zeros,
)

Structure = tuple[tuple[Any, ...], ...]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The nodes of one block.

    Attributes
    ----------
    block
        How many ends of blocks lie before it.
    first, last
        Its nodes are those from ``first`` to before ``last``.
    externals
        Nodes of earlier parts that it reads.
    structure
        Its nodes but for their numbers and sizes; equal parts have equal ones.
    shapes
        Of its nodes, then of what it reads.
    kind, form
        Numbers that parts of equal structure have in common, and of equal structure and shapes.
    """

    block: int
    first: int
    last: int
    externals: tuple[int, ...]
    structure: Structure
    shapes: tuple[Shape, ...]
    kind: int
    form: int


class Catalogue:
    """Numbers of what parts have in common."""

    def __init__(self) -> None:
        self.kinds: Numbers[Structure] = Numbers()
        self.forms: Numbers[tuple[int, tuple[Shape, ...]]] = Numbers()


_LINEAR_MAPS = (BatchNorm, GlobalAvgPool)


class Skipping:
    """What reads of a node mean in a pass over the network.

    Attributes
    ----------
    real
        By node, the one whose map is read.
    relu
        By node, whether a ReLU is applied to it.
    """

    def __init__(self, nodes: tuple[Node, ...], flow: bool) -> None:
        self.flow = flow
        self.real = list(range(len(nodes)))
        self.relu = [False] * len(nodes)
        real, relu = self.real, self.relu
        for number, node in enumerate(nodes):
            kind = node.__class__
            if kind is Relu:
                real[number] = real[node.source]  # type: ignore[union-attr]
                relu[number] = not flow
            elif flow and kind in _LINEAR_MAPS:
                real[number] = real[node.source]  # type: ignore[union-attr]


def parts_of(network: Network, skipping: Skipping, catalogue: Catalogue) -> list[Part]:
    """Return the parts of a network for a pass, in order.

    In the pass of the flow a ReLU and batch normalisation are what they read, and so is the mean
    over a map, since the linear layer takes it on reading.
    """
    return [
        _part(network, skipping, catalogue, block, first, last)
        for block, first, last in _bounds(network)
        if first < last
    ]


def _bounds(network: Network) -> Iterator[tuple[int, int, int]]:
    ends = sorted(network.blocks)
    first = 0
    for end in dict.fromkeys(ends):
        yield bisect_left(ends, end), first, end + 1
        first = end + 1
    yield len(ends), first, len(network.nodes)


def _part(
    network: Network,
    skipping: Skipping,
    catalogue: Catalogue,
    block: int,
    first: int,
    last: int,
) -> Part:
    real, relu, flow = skipping.real, skipping.relu, skipping.flow
    slots: dict[int, int] = {}

    def token(source: int) -> int:
        """Return which node is read: its place in the part, or below zero its external slot."""
        if source >= first and not flow:
            return source - first
        origin = real[source]
        if origin >= first:
            return origin - first
        slot = slots.setdefault(origin, len(slots))
        return -1 - 2 * slot - relu[source]

    shapes = network.shapes
    structure = tuple(
        [
            _TOKENS[node.__class__](node, token, shape, flow)
            for node, shape in zip(network.nodes[first:last], shapes[first:last], strict=True)
        ]
    )
    externals = tuple(slots)
    read = tuple([shapes[number] for number in externals])
    own = shapes[first:last] + read
    kind = catalogue.kinds.of(structure)
    form = catalogue.forms.of((kind, own))
    return Part(block, first, last, externals, structure, own, kind, form)


Token = Callable[[int], int]
_CONV, _BATCH_NORM, _RELU, _AVG_POOL, _MAX_POOL, _ADD, _CONCAT, _TRUNCATE = range(8)
_GLOBAL, _LINEAR, _INPUT, _ZEROS, _SHIFT = range(8, 13)
_UNREAD = (_ZEROS,)


def _conv(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_CONV, token(node.source), node.kernel, node.stride)


def _batch_norm(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return _UNREAD if flow else (_BATCH_NORM, token(node.source))


def _relu(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    if flow:
        return _UNREAD
    return (_RELU, token(node.source), node.modules, node.wrapped)


def _avg_pool(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    # A map of one row is never averaged on the way into a sum, so it is another structure.
    flat = min(shape[1:]) <= 1
    return (_AVG_POOL, token(node.source), node.kernel, node.stride, node.padding, flat)


def _max_pool(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_MAX_POOL, token(node.source), node.kernel, node.stride, node.padding)


def _add(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_ADD, *map(token, node.sources))


def _concat(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_CONCAT, *map(token, node.sources))


def _truncate(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_TRUNCATE, token(node.source))


def _shift(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_SHIFT, token(node.source))


def _global(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return _UNREAD if flow else (_GLOBAL, token(node.source))


def _linear(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_LINEAR, token(node.source))


def _input(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return (_INPUT,)


def _zeros(node: Any, token: Token, shape: Shape, flow: bool) -> tuple[Any, ...]:
    return _UNREAD


_TOKENS: dict[type, Callable[[Any, Token, Shape, bool], tuple[Any, ...]]] = {
    Conv: _conv,
    BatchNorm: _batch_norm,
    Relu: _relu,
    AvgPool: _avg_pool,
    MaxPool: _max_pool,
    Add: _add,
    Concat: _concat,
    Truncate: _truncate,
    Shift: _shift,
    GlobalAvgPool: _global,
    Linear: _linear,
    Input: _input,
    Zeros: _zeros,
}


def part_network(part: Part) -> Network:
    """Return a part as a network of its own.

    What it reads comes first, as inputs; then, for each of these, the positive part of it; then
    its own nodes. See :func:`own_number`.
    """
    slots = len(part.externals)
    nodes: list[Node] = [Input() for _ in range(slots)]
    nodes += [Relu(slot, 0, False) for slot in range(slots)]

    def number(token: int) -> int:
        if token >= 0:
            return own_number(part, token)
        slot, relu = divmod(-1 - token, 2)
        return slot + slots * relu

    for (kind, *fields), shape in zip(part.structure, part.shapes, strict=False):
        sources = [number(field) for field in (fields if kind in (_ADD, _CONCAT) else fields[:1])]
        nodes.append(_NODES[kind](sources, fields[1:], shape))
    return Network(tuple(nodes), local_shapes(part))


def local_shapes(part: Part) -> tuple[Shape, ...]:
    """Return the shapes of the nodes of ``part_network``."""
    count = len(part.structure)
    own, read = part.shapes[:count], part.shapes[count:]
    return (*read, *read, *own)


def own_inputs(part: Part) -> frozenset[int]:
    """Return the numbers in ``part_network`` of the part's own nodes that are the images."""
    found = [place for place, node in enumerate(part.structure) if node[0] == _INPUT]
    return frozenset(own_number(part, place) for place in found)


def own_number(part: Part, place: int) -> int:
    """Return the number in ``part_network`` of the node at a place of the part."""
    return 2 * len(part.externals) + place


_NODES: dict[int, Callable[[list[int], list[Any], Shape], Node]] = {
    _CONV: lambda read, fields, shape: Conv(read[0], 0, shape[0], *fields),
    _BATCH_NORM: lambda read, fields, shape: BatchNorm(read[0]),
    _RELU: lambda read, fields, shape: Relu(read[0], *fields),
    _AVG_POOL: lambda read, fields, shape: AvgPool(read[0], *fields[:3]),
    _MAX_POOL: lambda read, fields, shape: MaxPool(read[0], *fields),
    _ADD: lambda read, fields, shape: Add(tuple(read)),
    _CONCAT: lambda read, fields, shape: Concat(tuple(read)),
    _TRUNCATE: lambda read, fields, shape: Truncate(read[0], shape[0]),
    _SHIFT: lambda read, fields, shape: Shift(read[0]),
    _GLOBAL: lambda read, fields, shape: GlobalAvgPool(read[0]),
    _LINEAR: lambda read, fields, shape: Linear(read[0], 0, shape[0]),
    _INPUT: lambda read, fields, shape: Input(),
    _ZEROS: lambda read, fields, shape: Zeros(),
}
