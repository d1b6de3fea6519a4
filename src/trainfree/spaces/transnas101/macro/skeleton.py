"""The network of a skeleton, exactly as published.

What both spaces share is in :func:`~trainfree.spaces.transnas101.encoder.build_classifier`. A basic
block is (ReLU, 3 × 3 convolution, batch normalisation) twice, beside the identity or, where
something changes, a 1 × 1 convolution of that stride with batch normalisation (Duan et al., CVPR
2021, section 3.2 and its code).
"""

from __future__ import annotations

from trainfree.spaces.network import Network, NetworkBuilder
from trainfree.spaces.transnas101.encoder import build_classifier
from trainfree.spaces.transnas101.macro.space import STEM, MacroSpace


def build_network(space: MacroSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the images are too small. Sizes that are halved unevenly are rounded up, as torch does.
    """
    skeleton = space.skeleton(index)
    return build_classifier(space.name, skeleton, STEM, add_basic_block, image_size, classes)


def add_basic_block(builder: NetworkBuilder, x: int, channels: int, stride: int) -> int:
    """Add a basic block that makes ``channels`` channels of node ``x``, and end it."""
    y = builder.relu(x, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3, stride=stride))
    y = builder.relu(y, modules=1, wrapped=True)
    y = builder.batch_norm(builder.conv(y, channels, kernel=3))
    if stride != 1 or builder.shapes[x][0] != channels:
        x = builder.batch_norm(builder.conv(x, channels, kernel=1, stride=stride))
    return builder.end_block(builder.add([x, y]))
