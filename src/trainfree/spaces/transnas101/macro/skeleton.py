"""The network of a skeleton, exactly as published.

Stem: a 3 × 3 convolution of stride 2 to 32 channels with batch normalisation, then ReLU, a 3 × 3
convolution of stride 2 to 64 channels and batch normalisation. Each module is two basic blocks, the
first of which changes channels and resolution: (ReLU, 3 × 3 convolution, batch normalisation)
twice, beside the identity or, where something changes, a 1 × 1 convolution of that stride with
batch normalisation. Head of the classification tasks and of room layout: mean over all pixels, one
fully connected layer (Duan et al., CVPR 2021, section 3.2 and its code).
"""

from __future__ import annotations

from trainfree.errors import ImageError
from trainfree.spaces.network import Network, NetworkBuilder
from trainfree.spaces.transnas101.macro.space import STEM, MacroSpace

SMALLEST = 8
"""Pixels a side. Of smaller images the stem leaves one, whose batch statistics say little."""
BLOCKS = 2


def build_network(space: MacroSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the images are too small. Sizes that are halved unevenly are rounded up, as torch does.
    """
    if image_size < SMALLEST:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space.name}: expected "
            f"{SMALLEST} or more, since the stem divides them by four"
        )
    builder = NetworkBuilder()
    x = builder.conv(builder.input(3, image_size), STEM // 2, kernel=3, stride=2)
    x = builder.relu(builder.batch_norm(x), modules=1, wrapped=True)
    x = builder.batch_norm(builder.conv(x, STEM, kernel=3, stride=2))
    builder.end_block(x)
    channels = STEM
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
