"""The network of an architecture, exactly as published.

Stem conv 3×3 + batch norm; three stages of N cells at C, 2C, 4C channels with a residual block of
stride 2 between them; batch norm + ReLU; global average pool; fully connected layer
(Dong and Yang, ICLR 2020, section 2.2 and its code). A convolution on an edge is
ReLU → conv → batch norm; pooling has no batch norm; ``none`` passes nothing on.

An operation that no path to the output uses is still part of the network: its parameters count,
and so do its ReLUs, which is what the published NASWOT code sees.
"""

from __future__ import annotations

from collections.abc import Mapping

from trainfree.errors import ImageError
from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace
from trainfree.spaces.network import Network, NetworkBuilder

CONV_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
Operations = Mapping[tuple[int, int], str]
"""The operation on each edge, (target node, source node)."""


def build_network(space: CellSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the size is no multiple of 4: both residual blocks halve it on two paths, which then
        disagree.
    """
    require_size(space.name, image_size)
    operations = dict(zip(EDGES, space.operation_names(index), strict=True))
    modules = convolutions_from(operations)
    builder, channels = NetworkBuilder(), space.stem_channels
    x = add_stem(builder, image_size, channels)
    for stage in range(3):
        if stage > 0:
            channels *= 2
            x = add_residual_block(builder, x, channels)
        for _ in range(space.cells_per_stage):
            x = add_cell(builder, x, channels, operations, modules)
    return add_head(builder, x, classes)


def require_size(space: str, image_size: int) -> None:
    """Raise ImageError when images do not fit the skeleton."""
    if image_size % 4:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space}: expected a "
            "multiple of 4, since two residual blocks halve them; resize or pad the images"
        )


def add_stem(builder: NetworkBuilder, image_size: int, channels: int) -> int:
    """Add the image and the stem, and end it; return its node."""
    conv = builder.conv(builder.input(3, image_size), channels, kernel=3)
    return builder.end_block(builder.batch_norm(conv))


def add_head(builder: NetworkBuilder, x: int, classes: int) -> Network:
    """Add what follows the last cell and return the network."""
    x = builder.relu(builder.batch_norm(x), modules=1, wrapped=False)
    builder.linear(builder.global_avg_pool(x), classes)
    return builder.network()


def convolutions_from(operations: Operations) -> list[int]:
    """Return how many convolutions leave each node of a cell."""
    return [
        sum(name in CONV_KERNELS for (_, origin), name in operations.items() if origin == source)
        for source in range(NODES)
    ]


def add_cell(
    builder: NetworkBuilder,
    x: int,
    channels: int,
    operations: Operations,
    modules: list[int] | None = None,
) -> int:
    """Add a cell that makes ``channels`` channels of node ``x``, and end it; return its output.

    Parameters
    ----------
    modules
        What :func:`convolutions_from` returns, where it is known.
    """
    modules = modules or convolutions_from(operations)
    outputs = [x]
    activated = {0: _activate(builder, x, modules[0])}
    for target in range(1, NODES):
        summands = []
        for source in range(target):
            name = operations[(target, source)]
            if name in CONV_KERNELS:
                conv = builder.conv(activated[source], channels, CONV_KERNELS[name])
                summands.append(builder.batch_norm(conv))
            elif name == "avg_pool_3x3":
                summands.append(builder.avg_pool(outputs[source], kernel=3, stride=1, padding=1))
            elif name == "skip_connect":
                summands.append(_skip(builder, outputs[source], channels))
        outputs.append(builder.add(summands) if summands else builder.zeros_like(x))
        activated[target] = _activate(builder, outputs[target], modules[target])
    return builder.end_block(outputs[-1])


def _skip(builder: NetworkBuilder, x: int, channels: int) -> int:
    """Return node ``x``, by a 1 × 1 convolution without ReLU where its channels are others."""
    if builder.shapes[x][0] == channels:
        return x
    return builder.batch_norm(builder.conv(x, channels, kernel=1))


def _activate(builder: NetworkBuilder, x: int, modules: int) -> int:
    """Add the ReLU that the convolutions leaving a node share; without any, nothing."""
    return builder.relu(x, modules, wrapped=True) if modules else x


def add_residual_block(builder: NetworkBuilder, x: int, channels: int) -> int:
    """Add a residual block of stride 2 that makes ``channels`` channels, and end it."""
    y = builder.relu(x, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3, stride=2))
    y = builder.relu(y, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3))
    shortcut = builder.conv(builder.avg_pool(x, kernel=2, stride=2, padding=0), channels, kernel=1)
    return builder.end_block(builder.add([shortcut, y]))
