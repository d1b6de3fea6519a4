"""The network of a cell, exactly as published.

What both spaces share is in :func:`~trainfree.spaces.transnas101.encoder.build_classifier`. A
convolution on an edge is ReLU, convolution, batch normalisation; a skip connection is the identity,
or where it changes something a factorised reduction: ReLU, then two 1 × 1 convolutions of the
edge's stride that make half of the channels each, one of them of the map moved by one pixel, and
batch normalisation of both together. Edges from node 0 carry the cell's stride (Duan et al., CVPR
2021, section 3.2 and its code).

An operation that no path to the output uses is still part of the network, as are its ReLUs. Nodes
are in the order of the published modules, so that weights are drawn in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trainfree.spaces.network import Network, NetworkBuilder
from trainfree.spaces.transnas101.encoder import build_classifier
from trainfree.spaces.transnas101.micro.space import EDGES, OPERATIONS, SKELETON, STEM, MicroSpace

NODES = 4
KERNELS = {"conv_1x1": 1, "conv_3x3": 3}


def build_network(space: MicroSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the images are too small. Sizes that are halved unevenly are rounded up, as torch does.
    """
    add = partial(add_cell, space.digits(index))
    return build_classifier(space.name, SKELETON, STEM, add, image_size, classes)


def add_cell(
    digits: Sequence[int], builder: NetworkBuilder, x: int, channels: int, stride: int
) -> int:
    """Add a cell that makes ``channels`` channels of node ``x``, and end it; return its output."""
    operations = {edge: OPERATIONS[code] for edge, code in zip(EDGES, digits, strict=True)}
    leaving = [
        [name for (_, origin), name in operations.items() if origin == source]
        for source in range(NODES)
    ]
    convolutions = [sum(name in KERNELS for name in names) for names in leaving]
    outputs, activated = [x], [_activate(builder, x, convolutions[0])]
    changes = stride != 1 or builder.shapes[x][0] != channels
    halves = _halves(builder, x, leaving[0].count("skip_connect")) if changes else None

    def edge(source: int, name: str) -> int:
        step = stride if source == 0 else 1
        if name in KERNELS:
            made = builder.conv(activated[source], channels, KERNELS[name], step)
        elif source == 0 and halves:
            widths = (channels // 2, channels - channels // 2)
            parts = [
                builder.conv(half, width, kernel=1, stride=step)
                for half, width in zip(halves, widths, strict=True)
            ]
            made = builder.concat(parts)
        else:
            return outputs[source]
        return builder.batch_norm(made)

    sides = [-(-side // stride) for side in builder.shapes[x][1:]]
    for target in range(1, NODES):
        names = [(source, operations[target, source]) for source in range(target)]
        summands = [edge(source, name) for source, name in names if name != "none"]
        output = builder.add(summands) if summands else builder.zeros((channels, *sides))
        outputs.append(output)
        activated.append(_activate(builder, output, convolutions[target]))
    return builder.end_block(outputs[-1])


def _activate(builder: NetworkBuilder, x: int, modules: int) -> int:
    """Add the ReLU that the convolutions leaving a node share; without any, nothing."""
    return builder.relu(x, modules, wrapped=True) if modules else x


def _halves(builder: NetworkBuilder, x: int, modules: int) -> tuple[int, int] | None:
    """Add what the reductions leaving node ``x`` read, so many of them; without any, nothing.

    Their ReLUs are in no module that is named after them, unlike those of convolutions.
    """
    if not modules:
        return None
    x = builder.relu(x, modules, wrapped=False)
    return x, builder.shift(x)
