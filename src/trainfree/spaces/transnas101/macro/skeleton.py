"""The network of a skeleton, exactly as published.

Stem: :func:`~trainfree.spaces.transnas101.stem.add_stem` to 64 channels. Each module is two basic
blocks, the first of which changes channels and resolution: (ReLU, 3 × 3 convolution, batch
normalisation) twice, beside the identity or, where something changes, a 1 × 1 convolution of that
stride with batch normalisation. Head of the classification tasks and of room layout: mean over all
pixels, one fully connected layer (Duan et al., CVPR 2021, section 3.2 and its code).
"""

from __future__ import annotations

from trainfree.spaces.network import Network, NetworkBuilder
from trainfree.spaces.transnas101.macro.space import STEM, MacroSpace
from trainfree.spaces.transnas101.stem import add_stem, require_size

BLOCKS = 2


def build_network(space: MacroSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the images are too small. Sizes that are halved unevenly are rounded up, as torch does.
    """
    require_size(space.name, image_size)
    builder = NetworkBuilder()
    x, channels = add_stem(builder, image_size, STEM), STEM
    for code in space.skeleton(index):
        channels *= 2 if code in "24" else 1
        for block in range(BLOCKS):
            x = add_basic_block(builder, x, channels, 2 if code in "34" and block == 0 else 1)
    builder.linear(builder.global_avg_pool(x), classes)
    return builder.network()


def add_basic_block(builder: NetworkBuilder, x: int, channels: int, stride: int) -> int:
    """Add a basic block that makes ``channels`` channels of node ``x``, and end it."""
    y = builder.relu(x, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3, stride=stride))
    y = builder.relu(y, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3))
    if stride != 1 or builder.shapes[x][0] != channels:
        x = builder.batch_norm(builder.conv(x, channels, kernel=1, stride=stride))
    return builder.end_block(builder.add([x, y]))
