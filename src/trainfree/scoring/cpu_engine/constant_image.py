"""How much of a feature map has to be computed when the image is constant.

For an image of ones all pixels of a map that are far enough from its border are equal: zero
padding is felt only as far as the operations before have carried it. A map can then be computed on
a smaller image with the same border, and its middle repeated where the full size is needed. The
numbers are those of the full computation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    MaxPool,
    Network,
    Relu,
    Shift,
    Truncate,
)


def reduced_sizes(network: Network) -> list[int]:
    """Return, for each node, the height (and width) at which its map is computed.

    With r pixels of influence from each side, that is the even number 2 r + 2, or the full height
    where this is smaller or odd. Vectors have size 0.
    """
    reach = _reaches(network)
    sizes = []
    for shape, pixels in zip(network.shapes, reach, strict=True):
        full = shape[1] if len(shape) == 3 else 0
        sizes.append(full if full % 2 else min(full, 2 * pixels + 2))
    return sizes


def source_size(network: Network, number: int, size: int) -> int:
    """Return the height a window operation has to read to make its map of height ``size``."""
    node = network.nodes[number]
    if not isinstance(node, Conv | AvgPool | MaxPool):
        raise TypeError(f"{type(node).__name__} is not a window operation")
    if size == network.shapes[number][1]:
        return network.shapes[node.source][1]
    return size * node.stride


def _reaches(network: Network) -> list[int]:
    """Return, for each node, from how many rows and columns of each side the border is felt."""
    reach: list[int] = []
    for number, node in enumerate(network.nodes):
        match node:
            case Conv() | AvgPool() | MaxPool() if _halves_unevenly(network, node):
                # The last window sees less or more of the border than the first: no even middle.
                reach.append(network.shapes[number][1])
            case Conv(source=source):
                reach.append(_carried(reach[source], node.kernel, node.stride, pads=True))
            case AvgPool(source=source) | MaxPool(source=source):
                reach.append(_carried(reach[source], node.kernel, node.stride, pads=False))
            case Add(sources=sources) | Concat(sources=sources):
                reach.append(max(reach[source] for source in sources))
            case BatchNorm(source=source) | Relu(source=source) | Truncate(source=source):
                reach.append(reach[source])
            case Shift(source=source):
                reach.append(reach[source] + 1)
            case _:
                reach.append(0)
    return reach


def _halves_unevenly(network: Network, node: Conv | AvgPool | MaxPool) -> bool:
    return node.stride > 1 and network.shapes[node.source][1] % node.stride != 0


def _carried(reach: int, kernel: int, stride: int, pads: bool) -> int:
    """Return the reach behind a window; padding is felt only where it enters the sum."""
    if reach == 0 and not (pads and kernel > 1):
        return 0
    widened = reach + kernel // 2
    return widened if stride == 1 else widened // stride + 1


def expand(pair: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Repeat the middle of a map, (2, height, width, C) with equal even sides, up to ``size``."""
    missing = size - pair.shape[1]
    if missing == 0:
        return pair
    half = pair.shape[1] // 2
    index = np.concatenate([np.arange(half), np.full(missing, half - 1), np.arange(half, 2 * half)])
    return pair.take(index, axis=1).take(index, axis=2)
