"""The network of a cell, exactly as published.

Stem conv 3×3; three stacks of three cells, a 2×2 max-pooling that halves the size and doubles the
channels between stacks; global average; fully connected layer (Ying et al., ICML 2019, section
2, and its code). A convolution is conv → batch norm → ReLU.

Inside a cell the output's channels are divided among the vertices that feed it, and every other
vertex has as many as the widest one it feeds. What enters a vertex is summed after being cut to
its channels, but an edge from the input is a 1×1 convolution; what enters the output is
concatenated, and an edge from the input to the output is such a convolution, added to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainfree.errors import ImageError
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import (
    CONV1X1,
    CONV3X3,
    MAXPOOL3X3,
    Matrix,
)
from trainfree.spaces.network import Network, NetworkBuilder

STACKS = 3
KERNELS = {CONV3X3: 3, CONV1X1: 1}


def build_network(space: GraphCellSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the size is no multiple of 4, since it is halved twice.
    """
    if image_size % 4:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space.name}: expected a "
            "multiple of 4, since two poolings halve them; resize or pad the images"
        )
    matrix, ops = space.specification(index).require_valid()
    builder = NetworkBuilder()
    image = builder.input(3, image_size)
    x = builder.end_block(_convolve(builder, image, space.stem_channels, kernel=3))
    for stack in range(STACKS):
        channels = space.stem_channels << stack
        if stack > 0:
            x = builder.max_pool(x, kernel=2, stride=2, padding=0)
        for _ in range(space.modules_per_stack):
            x = builder.end_block(_cell(builder, x, channels, matrix, ops))
    builder.linear(builder.global_avg_pool(x), classes)
    return builder.network()


def vertex_channels(input_channels: int, output_channels: int, matrix: Matrix) -> list[int]:
    """Return the number of channels of each vertex of a pruned cell.

    What is left over when the output's channels are divided goes to the first vertices, one each.
    """
    last = len(matrix) - 1
    channels = [0] * len(matrix)
    channels[0], channels[last] = input_channels, output_channels
    feeding = [vertex for vertex in range(1, last) if matrix[vertex, last]]
    for place, vertex in enumerate(feeding):
        share, left_over = divmod(output_channels, len(feeding))
        channels[vertex] = share + (place < left_over)
    for vertex in reversed(range(1, last)):
        if vertex not in feeding:
            channels[vertex] = max(
                channels[y] for y in range(vertex + 1, last) if matrix[vertex, y]
            )
    return channels


def cell_widths(space: GraphCellSpace) -> list[tuple[int, int]]:
    """Return input and output channels of each cell of the network."""
    widths, before = [], space.stem_channels
    for stack in range(STACKS):
        after = space.stem_channels << stack
        for _ in range(space.modules_per_stack):
            widths.append((before, after))
            before = after
    return widths


def _cell(
    builder: NetworkBuilder, x: int, channels: int, matrix: Matrix, ops: Sequence[str]
) -> int:
    last = len(ops) - 1
    widths = vertex_channels(builder.shapes[x][0], channels, matrix)
    outputs = [x]
    for vertex in range(1, last):
        summands = [
            builder.truncate(outputs[source], widths[vertex])
            for source in range(1, vertex)
            if matrix[source, vertex]
        ]
        if matrix[0, vertex]:
            summands.append(_convolve(builder, x, widths[vertex], kernel=1))
        outputs.append(_operate(builder, builder.add(summands), ops[vertex]))
    feeding = [outputs[vertex] for vertex in range(1, last) if matrix[vertex, last]]
    summands = [builder.concat(feeding)] if feeding else []
    if matrix[0, last]:
        summands.append(_convolve(builder, x, channels, kernel=1))
    return builder.add(summands)


def _operate(builder: NetworkBuilder, x: int, name: str) -> int:
    if name == MAXPOOL3X3:
        return builder.max_pool(x, kernel=3, stride=1, padding=1)
    return _convolve(builder, x, builder.shapes[x][0], KERNELS[name])


def _convolve(builder: NetworkBuilder, x: int, channels: int, kernel: int) -> int:
    x = builder.batch_norm(builder.conv(x, channels, kernel))
    return builder.relu(x, modules=1, wrapped=False)
