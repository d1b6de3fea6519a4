"""What the networks of both spaces begin with."""

from __future__ import annotations

from trainfree.errors import ImageError
from trainfree.spaces.network import NetworkBuilder

SMALLEST = 8
"""Pixels a side. Of smaller images the stem leaves one, whose batch statistics say little."""


def require_size(space: str, image_size: int) -> None:
    """Raise ImageError when images are too small.

    Sizes that are halved unevenly are rounded up, as torch does.
    """
    if image_size < SMALLEST:
        raise ImageError(
            f"images of {image_size} x {image_size} pixels do not fit {space}: expected "
            f"{SMALLEST} or more, since the stem divides them by four"
        )


def add_stem(builder: NetworkBuilder, image_size: int, channels: int) -> int:
    """Add the image and the stem, which makes ``channels`` channels, and end it.

    A 3 × 3 convolution of stride 2 to half of the channels with batch normalisation, then ReLU, a
    3 × 3 convolution of stride 2 and batch normalisation (Duan et al., CVPR 2021, section 3.2 and
    its code).
    """
    x = builder.conv(builder.input(3, image_size), channels // 2, kernel=3, stride=2)
    x = builder.relu(builder.batch_norm(x), modules=1, wrapped=True)
    return builder.end_block(builder.batch_norm(builder.conv(x, channels, kernel=3, stride=2)))
