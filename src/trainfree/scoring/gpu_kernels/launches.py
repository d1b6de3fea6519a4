"""What a group of architectures is for a GPU: tables, and a launch of a kernel for each.

A launch does one kind of step for many architectures at once. A row of its table is the step of one
of them: where in the buffers of the group it reads and writes, and what differs among rows. What
all rows have in common is the launch's geometry. A row's geometry depends on its own step alone and
never on the other rows, so that the group an architecture is in changes no bit of its scores.

Buffers of a group, one of each; offsets count elements and are multiples of :data:`ALIGNMENT`:

``maps``
    float32, feature maps with channels last, (B, height, width, channels) without gaps, and the
    moments of batch normalisation. It begins with the images, which all architectures read.
``codes``
    int8, binary codes, (B, units) with units ordered as in the map.
``weights``
    float32, (kernel · kernel, out, in) for each layer; (out, in) for a linear one.
``patterns``
    int32, a unit's code over the images as bits, (units, words). An architecture's patterns
    begin at a multiple and lie one behind the other, without gaps.
``flow``
    float64, as ``maps`` with two "images": the value and the derivative of the synaptic flow.

Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 32
"""Offsets are multiples of so many elements."""
TILE = 128
"""Pixels of a map, all images together, that one program of a convolution makes."""
MOST_TERMS = 8
"""Terms of a sum that is made in one step; a plan with longer sums is not for groups."""
WIDEST_BLOCK = 64
Table = NDArray[np.int64]
"""Rows of a launch, (rows, fields)."""


class Kind(IntEnum):
    """Kinds of steps, in the order in which those of one level are launched."""

    POOL = 0
    COPY = 1
    CONVOLVE = 2
    MEASURE = 3
    NORMALISE = 4
    COMBINE = 5
    MULTIPLY = 6
    PACK = 7
    FLOW_CONVOLVE = 8
    FLOW_MAX_POOL = 9
    FLOW_HEAD = 10


@dataclass(frozen=True, order=True)
class Width:
    """How a kernel goes through a number of channels.

    Attributes
    ----------
    block
        Channels at once: 16, 32 or 64.
    exact
        The number itself where it is a whole number of blocks, a constant of the kernel then;
        otherwise 0, and the row tells it.
    aligned
        Largest power of two up to 16 that divides the number.
    """

    block: int
    exact: int
    aligned: int

    @property
    def programs(self) -> int:
        """How many programs share the channels; a number that only the row tells has one."""
        return self.exact // self.block if self.exact else 1


def width_of(channels: int) -> Width:
    """Return how kernels go through ``channels`` channels."""
    block = 16
    while block < min(channels, WIDEST_BLOCK):
        block *= 2
    aligned = next(power for power in (16, 8, 4, 2, 1) if channels % power == 0)
    return Width(block, channels if channels % block == 0 else 0, aligned)


def _size_out(height: int, width: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Return height and width of what windows over a padded map make."""
    outer = 2 * padding - kernel
    return (height + outer) // stride + 1, (width + outer) // stride + 1


@dataclass(frozen=True, order=True)
class Pooling:
    """Of POOL and FLOW_MAX_POOL; row: map, result, channels."""

    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    average: bool
    relu: bool
    channels: Width

    @property
    def size_out(self) -> tuple[int, int]:
        """Height and width of the result."""
        return _size_out(self.height, self.width, self.kernel, self.stride, self.padding)


@dataclass(frozen=True, order=True)
class Copying:
    """Of COPY, channels from one map into a part of another.

    Row: map, result, channels of the map, channels of the result, first channel in the result,
    channels to copy (the first ones of the map). ``shifted`` moves them up and to the left by one
    pixel, zeros behind them.
    """

    height: int
    width: int
    relu: bool
    shifted: bool
    channels: Width
    """Of those to copy."""


@dataclass(frozen=True, order=True)
class Convolution:
    """Of CONVOLVE and FLOW_CONVOLVE; row: map, weights, result, moments, channels in, out.

    Padding is ``kernel // 2``. ``height`` and ``width`` are those of the map that is read. With
    ``moments`` each tile of pixels leaves Σ x and Σ (x − mean of the tile)² of each channel,
    (tiles, 2, channels out), for NORMALISE. FLOW_CONVOLVE takes |weights|, has neither ReLU nor
    moments, and adds the value to the derivative it makes.
    """

    height: int
    width: int
    kernel: int
    stride: int
    relu: bool
    moments: bool
    channels_in: Width
    channels_out: Width

    @property
    def size_out(self) -> tuple[int, int]:
        """Height and width of the result."""
        return _size_out(self.height, self.width, self.kernel, self.stride, self.kernel // 2)


@dataclass(frozen=True, order=True)
class Measurement:
    """Of MEASURE, the moments of a map that no convolution made, or of its positive part.

    Row: map, moments, channels; the moments are those that a convolution leaves. ``pixels`` of
    the map for one image.
    """

    pixels: int
    relu: bool
    channels: Width


@dataclass(frozen=True, order=True)
class Normalisation:
    """Of NORMALISE: moments of all tiles into mean and 1 / √(variance + ε), (2, channels).

    Row: moments, statistics, channels. ``pixels`` of the map for one image.
    """

    pixels: int
    channels: Width


@dataclass(frozen=True, order=True)
class Combination:
    """Of COMBINE, a sum of terms, its map and its binary code.

    Row: result or −1, code or −1, channels, number of terms, and for each of MOST_TERMS terms:
    map, :data:`PLAIN`, :data:`NORMALISED` or :data:`AVERAGED` (plus :data:`OF_RELU`), statistics
    or −1; what is behind the last term means nothing.
    ``averaged`` tells whether any term is.
    """

    height: int
    width: int
    averaged: bool
    channels: Width


PLAIN, NORMALISED, AVERAGED, OF_RELU = 0, 1, 2, 4


@dataclass(frozen=True, order=True)
class Product:
    """Of MULTIPLY, C Cᵀ of a code, added to both sums of kernels.

    Row: code, units, place of the architecture in the group, how often it counts in each.
    ``aligned`` is the largest power of two up to 16 that divides the units.
    """

    aligned: int


@dataclass(frozen=True, order=True)
class Packing:
    """Of PACK, a code's columns as bits; row: code, units, patterns."""

    aligned: int


@dataclass(frozen=True, order=True)
class Head:
    """Of FLOW_HEAD, mean over the map and the linear layer: Σ of the flow's two parts.

    Row: map, weights, place of the architecture in the group, channels, classes.
    """

    pixels: int
    channels: Width


Geometry = (
    Pooling
    | Copying
    | Convolution
    | Measurement
    | Normalisation
    | Combination
    | Product
    | Packing
    | Head
)
FIELDS = {
    Kind.POOL: 3,
    Kind.COPY: 6,
    Kind.CONVOLVE: 6,
    Kind.MEASURE: 3,
    Kind.NORMALISE: 3,
    Kind.COMBINE: 4 + 3 * MOST_TERMS,
    Kind.MULTIPLY: 5,
    Kind.PACK: 3,
    Kind.FLOW_CONVOLVE: 6,
    Kind.FLOW_MAX_POOL: 3,
    Kind.FLOW_HEAD: 5,
}
"""Fields of a row."""
DRAW_FIELDS = 7
"""Of a row that draws a layer's weights: place of the architecture in the group, which number of
its stream is the first, offset in ``weights``, channels out, in, kernel · kernel, and the float32
bits of the scale."""


@dataclass(frozen=True)
class Launch:
    """One launch: a kind, what its rows have in common, and the rows."""

    kind: Kind
    geometry: Geometry
    table: Table


@dataclass(frozen=True)
class Counted:
    """What is counted of architectures, (architectures,) each; see ``Network``.

    A convolution has one parameter tensor, batch normalisation and a linear layer two.
    """

    params: NDArray[np.int64]
    flops: NDArray[np.int64]
    relu_units: NDArray[np.int64]
    parameter_tensors: NDArray[np.int64]
    units_once: NDArray[np.int64]
    units_official: NDArray[np.int64]
    """Units of all codes that are multiplied, weighted by how often they count."""


@dataclass(frozen=True)
class GroupPlan:
    """Everything a GPU needs of a group of architectures.

    Attributes
    ----------
    architectures
        Indices in their space, (G,).
    forward
        Launches of the pass of the mini-batch, in order; none where only the flow is wanted.
    flow
        Launches of the synaptic flow, in order; none where it is not wanted.
    draws
        Rows that draw the weights which the launches read, (rows, DRAW_FIELDS).
    seeds
        State and increment of each architecture's PCG64 stream of weights, (G, 4) uint64: upper
        and lower half of the state, upper and lower half of the increment.
    map_elements, code_elements, weight_elements, pattern_elements, flow_elements
        Sizes of the buffers.
    pattern_units
        Where each architecture's patterns begin and how many units it has, (G, 2).
    forward_work, flow_work
        Elements that each architecture's steps read and write, (G,): what the seconds of a launch
        are shared by.
    """

    architectures: NDArray[np.int64]
    forward: tuple[Launch, ...]
    flow: tuple[Launch, ...]
    draws: Table
    seeds: NDArray[np.uint64]
    map_elements: int
    code_elements: int
    weight_elements: int
    pattern_elements: int
    flow_elements: int
    pattern_units: NDArray[np.int64]
    forward_work: NDArray[np.float64]
    flow_work: NDArray[np.float64]
    counted: Counted
