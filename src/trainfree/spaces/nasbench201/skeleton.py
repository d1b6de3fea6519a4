"""The network of an architecture, exactly as published.

Stem conv 3×3 + batch norm; three stages of N cells at C, 2C, 4C channels with a residual block of
stride 2 between them; batch norm + ReLU; global average pool; fully connected layer
(Dong and Yang, ICLR 2020, section 2.2 and its code). A convolution on an edge is
ReLU → conv → batch norm; pooling has no batch norm; ``none`` passes nothing on.

An operation that no path to the output uses is still part of the network: its parameters count,
and so do its ReLUs, which is what the published NASWOT code sees.
"""

from __future__ import annotations

from trainfree.errors import ImageError
from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace
from trainfree.spaces.network import Network, NetworkBuilder

CONV_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def build_network(space: CellSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the size is no multiple of 4: both residual blocks halve it on two paths, which then
        disagree.
    """
    if image_size % 4:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space.name}: expected a "
            "multiple of 4, since two residual blocks halve them; resize or pad the images"
        )
    operations = dict(zip(EDGES, space.operation_names(index), strict=True))
    modules = [
        sum(name in CONV_KERNELS for (_, origin), name in operations.items() if origin == source)
        for source in range(NODES)
    ]
    builder = NetworkBuilder()
    x = builder.input(3, image_size)
    x = builder.end_block(builder.batch_norm(builder.conv(x, space.stem_channels, kernel=3)))
    for stage in range(3):
        if stage > 0:
            x = builder.end_block(_residual_block(builder, x))
        for _ in range(space.cells_per_stage):
            x = builder.end_block(_cell(builder, x, operations, modules))
    x = builder.relu(builder.batch_norm(x), modules=1, wrapped=False)
    builder.linear(builder.global_avg_pool(x), classes)
    return builder.network()


def _cell(
    builder: NetworkBuilder, x: int, operations: dict[tuple[int, int], str], modules: list[int]
) -> int:
    """Add a cell; ``modules`` are the convolutions that leave each of its nodes."""
    outputs = [x]
    activated = {0: _activate(builder, x, modules[0])}
    for target in range(1, NODES):
        summands = []
        for source in range(target):
            name = operations[(target, source)]
            if name in CONV_KERNELS:
                channels = builder.shapes[x][0]
                conv = builder.conv(activated[source], channels, CONV_KERNELS[name])
                summands.append(builder.batch_norm(conv))
            elif name == "avg_pool_3x3":
                summands.append(builder.avg_pool(outputs[source], kernel=3, stride=1, padding=1))
            elif name == "skip_connect":
                summands.append(outputs[source])
        outputs.append(builder.add(summands) if summands else builder.zeros_like(x))
        activated[target] = _activate(builder, outputs[target], modules[target])
    return outputs[-1]


def _activate(builder: NetworkBuilder, x: int, modules: int) -> int:
    """Add the ReLU that the convolutions leaving a node share; without any, nothing."""
    return builder.relu(x, modules, wrapped=True) if modules else x


def _residual_block(builder: NetworkBuilder, x: int) -> int:
    channels = 2 * builder.shapes[x][0]
    y = builder.relu(x, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3, stride=2))
    y = builder.relu(y, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3))
    shortcut = builder.conv(builder.avg_pool(x, kernel=2, stride=2, padding=0), channels, kernel=1)
    return builder.add([shortcut, y])
