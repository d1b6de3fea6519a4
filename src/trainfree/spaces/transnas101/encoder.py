"""What the networks of both spaces share: stem, modules of a skeleton, head of the classifiers."""

from __future__ import annotations

from collections.abc import Callable

from trainfree.errors import ImageError
from trainfree.spaces.network import Network, NetworkBuilder

SMALLEST = 8
"""Pixels a side. Of smaller images the stem leaves one, whose batch statistics say little."""
BLOCKS = 2
"""Of a module."""
AddBlock = Callable[[NetworkBuilder, int, int, int], int]
"""Adds a cell or a basic block that makes so many channels of a node with a stride, and ends it;
given builder, node, channels and stride it returns the output."""


def build_classifier(
    space: str, skeleton: str, channels: int, add_block: AddBlock, image_size: int, classes: int
) -> Network:
    """Return the network of a skeleton for RGB images of ``image_size`` squared.

    Each module of the skeleton is two blocks; code 2 doubles the channels, 3 halves the resolution,
    4 does both, in the first of them. The head of the classification tasks and of room layout is
    the mean over all pixels and one fully connected layer.

    Parameters
    ----------
    channels
        Made by the stem.

    Raises
    ------
    ImageError
        When the images are too small. Sizes that are halved unevenly are rounded up, as torch does.
    """
    if image_size < SMALLEST:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space}: expected "
            f"{SMALLEST} or more, since the stem divides them by four"
        )
    builder = NetworkBuilder()
    x = _add_stem(builder, image_size, channels)
    for code in skeleton:
        channels *= 2 if code in "24" else 1
        for block in range(BLOCKS):
            x = add_block(builder, x, channels, 2 if code in "34" and block == 0 else 1)
    builder.linear(builder.global_avg_pool(x), classes)
    return builder.network()


def _add_stem(builder: NetworkBuilder, image_size: int, channels: int) -> int:
    """Add the image and the stem, which makes ``channels`` channels, and end it.

    A 3 × 3 convolution of stride 2 to half of the channels with batch normalisation, then ReLU, a
    3 × 3 convolution of stride 2 and batch normalisation (Duan et al., CVPR 2021, section 3.2 and
    its code).
    """
    x = builder.conv(builder.input(3, image_size), channels // 2, kernel=3, stride=2)
    x = builder.relu(builder.batch_norm(x), modules=1, wrapped=True)
    return builder.end_block(builder.batch_norm(builder.conv(x, channels, kernel=3, stride=2)))
