"""What a network of NDS is: cells that are stacked, or stages of one kind of block.

Both are read from the dictionary ``net`` of the official files and written as one line of text,
which is the architecture's name and says all that its module needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from trainfree.errors import ArchitectureError, shown

OPERATIONS = (
    *("none", "skip_connect", "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7"),
    *("conv_1x1", "conv_3x3", "conv_3x1_1x3", "conv_7x1_1x7"),
    *("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"),
    *("dil_conv_3x3", "dil_conv_5x5", "dil_sep_conv_3x3"),
)
"""Operations in the cells of all five spaces (facebookresearch/unnas, models/nas/genotypes)."""
BLOCKS = ("res_bottleneck_block", "res_basic_block", "double_plain_block")
MOST_NODES, MOST_CELLS, MOST_BLOCKS, MOST_WIDTH = 20, 100, 400, 8192
"""Bounds for what is read; the published spaces stay far below."""


@dataclass(frozen=True)
class Cell:
    """A cell: two operations a node and their inputs, and the nodes that are its output.

    Attributes
    ----------
    operations
        Names, (2 · nodes,); those of node *n* are at 2 *n* and 2 *n* + 1.
    inputs
        Of each operation: 0 and 1 are the two cells before, 2 the cell's first node.
    output
        What is concatenated, numbered likewise.
    """

    operations: tuple[str, ...]
    inputs: tuple[int, ...]
    output: tuple[int, ...]

    def __str__(self) -> str:
        """Return the cell in text, for example ``skip_connect~0+conv_1x1~1>2``."""
        edges = zip(self.operations, self.inputs, strict=True)
        return "+".join(f"{name}~{place}" for name, place in edges) + ">" + _joined(self.output)


@dataclass(frozen=True)
class CellNetwork:
    """A stack of normal cells with two reduction cells, as in DARTS.

    Attributes
    ----------
    normal, reduction
        The cells; those at a third and at two thirds of the depth are reductions.
    width
        Channels of a node of the first cell.
    depth
        Number of cells.
    auxiliary
        Whether a second classifier helped the training. It is no part of the network afterwards.
    """

    keys: ClassVar = ("genotype", "width", "depth", "aux")
    normal: Cell
    reduction: Cell
    width: int
    depth: int
    auxiliary: bool = False

    def __str__(self) -> str:
        """Return the network in text; :func:`parse_network` reads it."""
        return (
            f"cells w={self.width} d={self.depth} aux={int(self.auxiliary)} "
            f"normal={self.normal} reduce={self.reduction}"
        )


@dataclass(frozen=True)
class StagedNetwork:
    """Stages of blocks; the first stage is the stem, a convolution of 3 × 3 pixels.

    Attributes
    ----------
    block
        One of :data:`BLOCKS`.
    depths, widths, strides
        Of each stage, (stages,): blocks, channels, stride of its first block.
    bottlenecks, groups
        Of each stage: channels inside a block as a part of the width, and groups of its
        convolution of 3 × 3 pixels. Empty for blocks without a bottleneck.
    """

    keys: ClassVar = ("block_type", "ds", "ws", "ss")
    block: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    bottlenecks: tuple[float, ...] = ()
    groups: tuple[int, ...] = ()

    def inner_width(self, stage: int) -> int:
        """Return the channels inside a bottleneck of a stage."""
        return round(self.widths[stage] * self.bottlenecks[stage])

    def __str__(self) -> str:
        """Return the network in text; :func:`parse_network` reads it."""
        text = f"stages {self.block} d={_joined(self.depths)} w={_joined(self.widths)}"
        text += f" s={_joined(self.strides)}"
        if self.block == "res_bottleneck_block":
            text += f" b={_joined(self.bottlenecks)} g={_joined(self.groups)}"
        return text


Network: TypeAlias = CellNetwork | StagedNetwork


def read_network(net: object) -> Network:
    """Return the network that the dictionary ``net`` of an official entry describes.

    Raises
    ------
    ArchitectureError
        Naming the key: it is missing, or what it holds makes no network.
    """
    if not isinstance(net, Mapping):
        raise ArchitectureError(f"expected a dictionary 'net', found {shown(net)}")
    kind = CellNetwork if "genotype" in net else StagedNetwork
    for key in kind.keys:
        if key not in net:
            raise ArchitectureError(f"expected a key {key!r} in 'net', found none")
    if kind is CellNetwork:
        genotype = net["genotype"]
        return _checked_cells(
            _cell(genotype, "normal"),
            _cell(genotype, "reduce"),
            _whole(net["width"], "width", MOST_WIDTH),
            _whole(net["depth"], "depth", MOST_CELLS),
            _truth(net["aux"], "aux"),
        )
    return _checked_stages(
        net["block_type"],
        _wholes(net["ds"], "ds", MOST_BLOCKS),
        _wholes(net["ws"], "ws", MOST_WIDTH),
        _wholes(net["ss"], "ss", 4),
        _numbers(net.get("bot_muls"), "bot_muls"),
        _wholes(net.get("num_gs") or [], "num_gs", MOST_WIDTH),
    )


def parse_network(text: str) -> Network:
    """Return the network of a text.

    Raises
    ------
    ArchitectureError
        When the text is none of the two forms.
    """
    kind, _, rest = text.partition(" ")
    first, _, others = rest.partition(" ")
    fields = dict(
        part.partition("=")[::2] for part in (others if kind == "stages" else rest).split()
    )
    try:
        if kind == "cells":
            return _checked_cells(
                _parse_cell(fields["normal"], "normal"),
                _parse_cell(fields["reduce"], "reduce"),
                _whole(int(fields["w"]), "width", MOST_WIDTH),
                _whole(int(fields["d"]), "depth", MOST_CELLS),
                {"0": False, "1": True}[fields["aux"]],
            )
        if kind == "stages":
            return _checked_stages(
                first,
                _wholes(_split(fields["d"]), "ds", MOST_BLOCKS),
                _wholes(_split(fields["w"]), "ws", MOST_WIDTH),
                _wholes(_split(fields["s"]), "ss", 4),
                tuple(map(float, filter(None, fields.get("b", "").split(",")))),
                _wholes(_split(fields["g"]), "num_gs", MOST_WIDTH) if fields.get("g") else (),
            )
    except (KeyError, ValueError) as error:
        raise ArchitectureError(f"{shown(text)} is not an NDS network ({error!r})") from error
    raise ArchitectureError(
        f"{shown(text)} is not an NDS network: expected a string that begins with 'cells ' or "
        "'stages '"
    )


def _checked_cells(
    normal: Cell, reduction: Cell, width: int, depth: int, auxiliary: bool
) -> CellNetwork:
    if any(place < 2 for place in reduction.output):
        raise ArchitectureError(
            f"reduce_concat: expected nodes of the cell, 2 and more, found {reduction.output}"
        )
    return CellNetwork(normal, reduction, width, depth, auxiliary)


def _checked_stages(
    block: object,
    depths: tuple[int, ...],
    widths: tuple[int, ...],
    strides: tuple[int, ...],
    bottlenecks: tuple[float, ...],
    groups: tuple[int, ...],
) -> StagedNetwork:
    if block not in BLOCKS:
        raise ArchitectureError(f"block_type: expected {', '.join(BLOCKS)}, found {shown(block)}")
    stages = len(depths)
    if stages < 2 or depths[0] != 1 or sum(depths) > MOST_BLOCKS:
        raise ArchitectureError(
            f"ds: expected a stem of depth 1 and stages of {MOST_BLOCKS} blocks at most, "
            f"found {depths}"
        )
    lists = {"ws": widths, "ss": strides}
    if block == "res_bottleneck_block":
        lists |= {"bot_muls": bottlenecks, "num_gs": groups}  # type: ignore[dict-item]
    else:
        bottlenecks, groups = (), ()
    for key, values in lists.items():
        if len(values) != stages:
            raise ArchitectureError(f"{key}: expected {stages} values as in ds, found {values}")
    network = StagedNetwork(str(block), depths, widths, strides, bottlenecks, groups)
    for stage in range(1, stages) if groups else ():
        inner = network.inner_width(stage)
        if inner < 1 or inner > MOST_WIDTH or inner % groups[stage]:
            raise ArchitectureError(
                f"bot_muls, num_gs: expected a bottleneck that {groups[stage]} groups divide, "
                f"found {inner} channels in stage {stage}"
            )
    return network


def _cell(genotype: object, kind: str) -> Cell:
    """Return the cell of a genotype in the field's notation."""
    if not isinstance(genotype, Mapping):
        raise ArchitectureError(f"genotype: expected a dictionary, found {shown(genotype)}")
    edges = genotype.get(kind)
    if not isinstance(edges, Sequence) or not all(
        isinstance(edge, Sequence) and len(edge) == 2 for edge in edges
    ):
        raise ArchitectureError(
            f"genotype.{kind}: expected a list of [operation, input], found {shown(edges)}"
        )
    return _checked_cell(
        [edge[0] for edge in edges],
        [edge[1] for edge in edges],
        genotype.get(f"{kind}_concat"),
        kind,
    )


def _parse_cell(text: str, kind: str) -> Cell:
    edges, _, output = text.partition(">")
    pairs = [edge.split("~") for edge in edges.split("+")]
    names, inputs = [pair[0] for pair in pairs], [int(pair[1]) for pair in pairs]
    return _checked_cell(names, inputs, _split(output), kind)


def _checked_cell(operations: Sequence[Any], inputs: Sequence[Any], output: Any, kind: str) -> Cell:
    nodes = len(operations) // 2
    if not 1 <= nodes <= MOST_NODES or len(operations) % 2:
        raise ArchitectureError(
            f"{kind}: expected two operations for each of 1 to {MOST_NODES} nodes, found "
            f"{len(operations)}"
        )
    for place, name in enumerate(operations):
        if not isinstance(name, str) or name not in OPERATIONS:
            raise ArchitectureError(f"{kind}: expected an operation, found {shown(name)}")
        source = inputs[place]
        if type(source) is not int or not 0 <= source < 2 + place // 2:
            raise ArchitectureError(
                f"{kind}: expected the input of {name} to be 0 to {1 + place // 2}, found "
                f"{shown(source)}"
            )
    if not isinstance(output, Sequence) or isinstance(output, str) or not output:
        raise ArchitectureError(f"{kind}_concat: expected a list of nodes, found {shown(output)}")
    if any(type(one) is not int or not 0 <= one < 2 + nodes for one in output):
        raise ArchitectureError(
            f"{kind}_concat: expected nodes 0 to {1 + nodes}, found {shown(output)}"
        )
    return Cell(tuple(operations), tuple(inputs), tuple(output))


def _whole(value: object, key: str, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ArchitectureError(f"{key}: expected a whole number 1 to {most}, found {shown(value)}")
    return value


def _wholes(values: object, key: str, most: int) -> tuple[int, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) > MOST_NODES:
        raise ArchitectureError(f"{key}: expected a list of numbers, found {shown(values)}")
    return tuple(_whole(value, key, most) for value in values)


def _numbers(values: object, key: str) -> tuple[float, ...]:
    values = values or []
    if not isinstance(values, Sequence) or not all(
        type(value) in (int, float) and 0 <= value <= 16 for value in values
    ):
        raise ArchitectureError(f"{key}: expected a list of numbers, found {shown(values)}")
    return tuple(map(float, values))


def _truth(value: object, key: str) -> bool:
    if not isinstance(value, bool):
        raise ArchitectureError(f"{key}: expected true or false, found {shown(value)}")
    return value


def _split(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _joined(values: Sequence[float]) -> str:
    return ",".join(f"{value:.12g}" for value in values)
