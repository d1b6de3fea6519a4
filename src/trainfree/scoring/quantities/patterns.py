"""Counting distinct binary activation patterns, over units (SWAP) and over images (regions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log2

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.placement import on_cpu, to_cpu
from trainfree.scoring.quantities.formulas import distinct_patterns, distinct_rows, unit_words
from trainfree.spaces.network import (
    AvgPool,
    Concat,
    Conv,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Network,
    Node,
    Relu,
    Truncate,
)

_LOWER = (1 << 32) - 1


def distinct_unit_patterns(forward: ForwardPass) -> int:
    """Return the number of different columns of the matrix (images, all ReLU units)."""
    return distinct_units(_codes(forward))


def distinct_units(codes: list[Tensor]) -> int:
    """Return the number of different columns of all the matrices, (images, units) bool each."""
    if codes and not on_cpu(codes[0]):
        return distinct_columns(torch.cat(codes, dim=1))
    return distinct_patterns([unit_words(code.numpy()) for code in codes])


def distinct_columns(code: Tensor) -> int:
    """Count the different columns of a matrix on a GPU, (images, units) bool."""
    return distinct_words(torch.stack(_column_words(code), dim=1).view(torch.int32))


def distinct_words(words: Tensor) -> int:
    """Return the number of different rows; the device is waited for once.

    Parameters
    ----------
    words
        Patterns as bits, (units, words) int32.
    """
    units, length = words.shape
    if not units or not length:
        return min(units, 1)
    order = torch.arange(units, device=words.device)
    for first in range(0, length, 2):  # a stable sort by each pair keeps the order of those before
        pair = words[:, first].to(torch.int64) << 32
        if first + 1 < length:
            pair |= words[:, first + 1].to(torch.int64) & _LOWER
        order = order[torch.sort(pair[order], stable=True).indices]
    ranked = words[order]
    return 1 + int((ranked[1:] != ranked[:-1]).any(dim=1).sum())


def _column_words(code: Tensor) -> list[Tensor]:
    """Return the columns as bits, a vector of int64 for each 64 rows."""
    octets = F.pad(code.to(torch.uint8), (0, 0, 0, -len(code) % 64))
    for width in (1, 2, 4):
        octets = octets[::2] | (octets[1::2] << width)
    return [part.T.contiguous().view(torch.int64)[:, 0] for part in torch.split(octets, 8)]


def distinct_image_codes(forward: ForwardPass) -> int:
    """Return the number of different rows of the matrix (images, all ReLU units)."""
    packed = [np.packbits(code.numpy(), axis=1) for code in to_cpu(_codes(forward))]
    return distinct_rows(np.concatenate(packed, axis=1)) if packed else 1


def thin(network: Network, size: int) -> Network:
    """Return the network with all channels divided by the stem's, for images of ``size``².

    The stem then has one channel. Rounded down, at least one channel stays.

    Raises
    ------
    UndefinedScoreError
        When the network cuts channels, or joins channels of which too few are left to be divided.
    """
    stem = next(node for node in network.nodes if isinstance(node, Conv)).out_channels
    channels = {number: max(1, shape[0] // stem) for number, shape in enumerate(network.shapes)}
    channels[0] = network.shapes[0][0]
    if any(_cannot_thin(node, number, channels) for number, node in enumerate(network.nodes)):
        raise UndefinedScoreError("a cell that divides its channels cannot be thinned to one")
    nodes: list[Node] = []
    shapes: list[tuple[int, ...]] = [(channels[0], size, size)]
    for number, node in enumerate(network.nodes):
        match node:
            case Conv(source=source):
                node = replace(node, in_channels=channels[source], out_channels=channels[number])
            case Linear(source=source):
                node = replace(node, in_features=channels[source])
        nodes.append(node)
        if number:
            shapes.append(_shape(node, number, channels, shapes, network))
    return Network(tuple(nodes), tuple(shapes), network.blocks)


def _cannot_thin(node: Node, number: int, channels: Mapping[int, int]) -> bool:
    if isinstance(node, Concat):
        return sum(channels[source] for source in node.sources) != channels[number]
    return isinstance(node, Truncate)


def _shape(
    node: Node,
    number: int,
    channels: dict[int, int],
    shapes: list[tuple[int, ...]],
    network: Network,
) -> tuple[int, ...]:
    match node:
        case GlobalAvgPool(source=source):
            return shapes[source][:1]
        case Linear():
            return (node.out_features,)
        case Conv(source=source):
            side = -(-shapes[source][1] // node.stride)
        case AvgPool(source=source) | MaxPool(source=source):
            side = (shapes[source][1] + 2 * node.padding - node.kernel) // node.stride + 1
        case _ if node.sources:
            side = shapes[node.sources[0]][1]
        case _:
            # Zeros: as often halved, and rounded up, as in the network.
            halvings = round(log2(network.shapes[0][1] / network.shapes[number][1]))
            side = -(-shapes[0][1] // 2**halvings)
    return (channels[number], side, side)


def _codes(forward: ForwardPass) -> list[Tensor]:
    """Return where the ReLUs are open, one matrix (images, units) for each."""
    return [
        (forward.values[number] > 0).permute(0, 2, 3, 1).flatten(1)
        for number, node in enumerate(forward.network.nodes)
        if isinstance(node, Relu)
    ]
