"""Counting distinct binary activation patterns, over units (SWAP) and over images (regions)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.placement import on_cpu
from trainfree.scoring.quantities.formulas import distinct_patterns, unit_words
from trainfree.spaces.network import (
    Add,
    Concat,
    Conv,
    Input,
    Linear,
    Network,
    Node,
    Relu,
    Truncate,
    Zeros,
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


def open_units(forward: ForwardPass) -> Tensor:
    """Return where the ReLUs are open for each image, (images, units) bool."""
    codes = _codes(forward)
    return torch.cat(codes, dim=1) if codes else forward.logits[:, :1] > torch.inf


def thin(network: Network, size: int) -> Network:
    """Return the network of one channel and one block of each kind, for images of ``size``².

    What TE-NAS counts linear regions in. There is no stem: the image, of one channel, takes the
    place of its output. Of blocks with the same operations and wiring the first one stays, blocks
    with a stride are left out, and what follows the last block stays behind it. A block makes as
    many channels of one as it makes of its input's: more only where it multiplies them.

    Raises
    ------
    UndefinedScoreError
        When it is not known where blocks end, each block has a stride, or a block divides its
        channels among its operations.
    """
    kept = _kept_blocks(network)
    if not kept:
        raise UndefinedScoreError("no block without a stride is known, so nothing can be thinned")
    thinned = _Thinned(network, size)
    for number in kept:
        start, end = network.blocks[number - 1], network.blocks[number]
        inside = range(network.stops[number - 1], network.stops[number])
        thinned.append(inside, start, end)
    thinned.append(range(network.stops[-1], len(network.nodes)), network.blocks[-1], None)
    return Network(tuple(thinned.nodes), tuple(thinned.shapes))


def _kept_blocks(network: Network) -> list[int]:
    """Return the first block of each kind that has no stride."""
    kinds: dict[object, int] = {}
    for number in range(1, len(network.stops)):
        start, end = network.blocks[number - 1], network.blocks[number]
        inside = range(network.stops[number - 1], network.stops[number])
        # Maps of one pixel keep their shape under a stride.
        strides = (getattr(network.nodes[node], "stride", 1) for node in inside)
        if network.shapes[start][1:] != network.shapes[end][1:] or max(strides, default=1) > 1:
            continue
        places = {start: -1, **{node: place for place, node in enumerate(inside)}}
        kind = tuple(_form(network.nodes[node], places) for node in inside)
        kinds.setdefault((*kind, places[end]), number)
    return list(kinds.values())


def _form(node: Node, places: Mapping[int, int]) -> object:
    """Return a node without its channels and with its sources as places in the block."""
    words = {
        name: getattr(node, name)
        for name in ("kernel", "stride", "padding", "modules")
        if hasattr(node, name)
    }
    return type(node).__name__, *words.items(), *(places[source] for source in node.sources)


class _Thinned:
    """A network of few channels in the making; ``output`` is the node that the next part reads."""

    def __init__(self, network: Network, size: int) -> None:
        self._network, self._size = network, size
        self.nodes: list[Node] = [Input()]
        self.shapes: list[tuple[int, ...]] = [(1, size, size)]
        self._output = 0

    def append(self, inside: Iterable[int], start: int, end: int | None) -> None:
        """Add nodes of the network, which read the present output in place of ``start``."""
        (before, *_), (after, *_) = self._network.shapes[start], self.shapes[self._output]
        places = {start: self._output}
        for number in inside:
            node, shape = self._network.nodes[number], self._network.shapes[number]
            sources = [places[source] for source in node.sources]
            made = max(1, shape[0] * after // before)
            channels = [self.shapes[source][0] for source in sources]
            if isinstance(node, Truncate) or (isinstance(node, Concat) and sum(channels) != made):
                raise UndefinedScoreError(
                    "a cell that divides its channels cannot be thinned to one"
                )
            places[number] = len(self.nodes)
            self.nodes.append(_resized(node, sources, channels, made))
            spatial = (self._size, self._size) if len(shape) == 3 else ()
            logits = isinstance(node, Linear)
            self.shapes.append((shape[0] if logits else made, *spatial))
        if end is not None:
            self._output = places[end]


def _resized(node: Node, sources: Sequence[int], channels: Sequence[int], made: int) -> Node:
    """Return a node that reads others, with as many channels as they have."""
    match node:
        case Conv():
            return replace(node, source=sources[0], in_channels=channels[0], out_channels=made)
        case Linear():
            return replace(node, source=sources[0], in_features=channels[0])
        case Add() | Concat():
            return replace(node, sources=tuple(sources))
        case Input() | Zeros():
            return node
        case _:
            return replace(node, source=sources[0])


def _codes(forward: ForwardPass) -> list[Tensor]:
    """Return where the ReLUs are open, one matrix (images, units) for each."""
    return [
        (forward.values[number] > 0).permute(0, 2, 3, 1).flatten(1)
        for number, node in enumerate(forward.network.nodes)
        if isinstance(node, Relu)
    ]
