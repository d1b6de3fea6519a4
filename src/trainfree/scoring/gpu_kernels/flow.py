"""The synaptic flow of a group: pairs of a value and its derivative, float64, in whole maps.

:mod:`trainfree.scoring.quantities.synflow` says why a pair is enough. A map is
(2, height, width, channels): first the values, then the derivatives. Nothing is rescaled here.
"""

from __future__ import annotations

from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import (
    FIELDS,
    Convolution,
    Head,
    Kind,
    Pooling,
    Width,
)

_PIXELS = 32
"""Places of a map in one step of pooling and of the mean."""
_WITH_TENSOR_CORES = ((8, 0), (9, 0))
"""Compute capabilities for which Triton multiplies float64 on tensor cores."""
_CHANNELS_READ = 16
"""Channels in one step of a product."""
_CLASSES = 16


def flow_convolve(table: Tensor, geometry: Convolution, flow: Tensor, weights: Tensor) -> None:
    """Map (v, d) to (W v, W d + W v) with the absolute values W of a layer's weights.

    Parameters
    ----------
    table
        Rows as :class:`~trainfree.scoring.gpu_kernels.launches.Convolution` says, int64.
    geometry
        What the rows have in common.
    flow
        Buffer of maps, float64.
    weights
        Buffer of weights, float32.
    """
    height, width = geometry.size_out
    read, made = geometry.channels_in, geometry.channels_out
    places, channels = _tile(capability_of(flow.device))
    tiles = triton.cdiv(height * width, places)
    _convolve[(len(table) * tiles,)](
        *(table, flow, weights),
        FIELDS=FIELDS[Kind.FLOW_CONVOLVE],
        TILES=tiles,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        KERNEL=geometry.kernel,
        STRIDE=geometry.stride,
        PIXELS=places,
        READ=_CHANNELS_READ,
        **_exactness("IN", read),
        MADE=min(made.block, channels),
        **_exactness("OUT", made),
        num_warps=4,
    )


def flow_max_pool(table: Tensor, geometry: Pooling, flow: Tensor) -> None:
    """Take value and derivative from the first place of each window where the value is largest.

    Parameters
    ----------
    table
        Rows as :class:`~trainfree.scoring.gpu_kernels.launches.Pooling` says, int64.
    geometry
        What the rows have in common.
    flow
        Buffer of maps, float64.
    """
    height, width = geometry.size_out
    tiles = triton.cdiv(height * width, _PIXELS)
    _max_pool[(len(table) * tiles,)](
        *(table, flow),
        FIELDS=FIELDS[Kind.FLOW_MAX_POOL],
        TILES=tiles,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        MADE_HEIGHT=height,
        MADE_WIDTH=width,
        KERNEL=geometry.kernel,
        STRIDE=geometry.stride,
        PADDING=geometry.padding,
        PIXELS=_PIXELS,
        BLOCK=geometry.channels.block,
        **_exactness("CHANNELS", geometry.channels),
        num_warps=4,
    )


def flow_head(
    table: Tensor, geometry: Head, flow: Tensor, weights: Tensor, results: Tensor
) -> None:
    """Write Σ |θ ⊙ ∂R/∂θ|: the mean over the map, the linear layer, the sum of derivatives.

    Parameters
    ----------
    table
        Rows as :class:`~trainfree.scoring.gpu_kernels.launches.Head` says, int64.
    geometry
        What the rows have in common.
    flow
        Buffer of maps, float64.
    weights
        Buffer of weights, float32.
    results
        One number for each architecture, (G,) float64.
    """
    _head[(len(table),)](
        *(table, flow, weights, results),
        FIELDS=FIELDS[Kind.FLOW_HEAD],
        PLACES=geometry.pixels,
        PIXELS=_PIXELS,
        CLASSES=_CLASSES,
        BLOCK=geometry.channels.block,
        **_exactness("CHANNELS", geometry.channels),
        num_warps=4,
    )


@cache
def capability_of(device: torch.device) -> tuple[int, int]:
    """Return the compute capability that kernels are made for; the CPU takes any."""
    if device.type == "cpu":
        return _WITH_TENSOR_CORES[-1]
    return torch.cuda.get_device_capability(device)


def _tile(capability: tuple[int, int]) -> tuple[int, int]:
    """Return the places and channels one program makes at a time, as many as registers hold.

    Elsewhere than on tensor cores every lane keeps whole columns of both factors.
    """
    return (32, 64) if capability in _WITH_TENSOR_CORES else (16, 16)


def _exactness(name: str, width: Width) -> dict[str, int]:
    return {name: width.exact, f"{name}_ALIGNED": width.aligned}


@triton.jit
def _number(pointer, EXACT: tl.constexpr, ALIGNED: tl.constexpr):
    """Return a number of channels, a constant where it is known."""
    if EXACT > 0:
        return EXACT
    return tl.multiple_of(tl.load(pointer).to(tl.int32), ALIGNED)


@triton.jit
def _convolve(
    table,
    flow,
    weights,
    FIELDS: tl.constexpr,
    TILES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    PIXELS: tl.constexpr,
    READ: tl.constexpr,
    IN: tl.constexpr,
    IN_ALIGNED: tl.constexpr,
    MADE: tl.constexpr,
    OUT: tl.constexpr,
    OUT_ALIGNED: tl.constexpr,
):
    MADE_WIDTH: tl.constexpr = (WIDTH + STRIDE - 1) // STRIDE
    PLACES: tl.constexpr = ((HEIGHT + STRIDE - 1) // STRIDE) * MADE_WIDTH
    row = table + (tl.program_id(0) // TILES).to(tl.int64) * FIELDS
    source = flow + tl.multiple_of(tl.load(row), 32)
    weight = weights + tl.multiple_of(tl.load(row + 1), 32)
    result = flow + tl.multiple_of(tl.load(row + 2), 32)
    inputs = _number(row + 4, IN, IN_ALIGNED)
    outputs = _number(row + 5, OUT, OUT_ALIGNED)
    blocks = tl.cdiv(inputs, READ)

    place = (tl.program_id(0) % TILES) * PIXELS + tl.arange(0, PIXELS)
    top = (place // MADE_WIDTH) * STRIDE - KERNEL // 2
    left = (place % MADE_WIDTH) * STRIDE - KERNEL // 2
    for first_out in range(0, outputs, MADE):
        out = first_out + tl.arange(0, MADE)
        value = tl.zeros((PIXELS, MADE), tl.float64)
        derivative = tl.zeros((PIXELS, MADE), tl.float64)
        for step in range(KERNEL * KERNEL * blocks):  # one loop, so that loads run ahead
            tap, channel = step // blocks, (step % blocks) * READ + tl.arange(0, READ)
            line, column = top + tap // KERNEL, left + tap % KERNEL
            seen = (line >= 0) & (line < HEIGHT) & (column >= 0) & (column < WIDTH)
            there = source + (line * WIDTH + column)[:, None] * inputs + channel[None, :]
            inside = (seen & (place < PLACES))[:, None] & (channel < inputs)[None, :]
            values = tl.load(there, mask=inside, other=0.0)
            derivatives = tl.load(there + HEIGHT * WIDTH * inputs, mask=inside, other=0.0)
            factor = tl.load(
                weight + (tap * outputs + out[None, :]) * inputs + channel[:, None],
                mask=(out < outputs)[None, :] & (channel < inputs)[:, None],
                other=0.0,
            )
            factor = tl.abs(factor).to(tl.float64)
            value = tl.dot(values, factor, value, out_dtype=tl.float64)
            derivative = tl.dot(derivatives, factor, derivative, out_dtype=tl.float64)
        target = result + place[:, None] * outputs + out[None, :]
        inside = (place < PLACES)[:, None] & (out < outputs)[None, :]
        tl.store(target, value, mask=inside)
        tl.store(target + PLACES * outputs, derivative + value, mask=inside)


@triton.jit
def _max_pool(
    table,
    flow,
    FIELDS: tl.constexpr,
    TILES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    MADE_HEIGHT: tl.constexpr,
    MADE_WIDTH: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    PIXELS: tl.constexpr,
    BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
    CHANNELS_ALIGNED: tl.constexpr,
):
    PLACES: tl.constexpr = MADE_HEIGHT * MADE_WIDTH
    row = table + (tl.program_id(0) // TILES).to(tl.int64) * FIELDS
    source = flow + tl.multiple_of(tl.load(row), 32)
    result = flow + tl.multiple_of(tl.load(row + 1), 32)
    channels = _number(row + 2, CHANNELS, CHANNELS_ALIGNED)

    place = (tl.program_id(0) % TILES) * PIXELS + tl.arange(0, PIXELS)
    top = (place // MADE_WIDTH) * STRIDE - PADDING
    left = (place % MADE_WIDTH) * STRIDE - PADDING
    for first in range(0, channels, BLOCK):
        channel = first + tl.arange(0, BLOCK)
        made = (place < PLACES)[:, None] & (channel < channels)[None, :]
        value = tl.full((PIXELS, BLOCK), float("-inf"), tl.float64)
        derivative = tl.zeros((PIXELS, BLOCK), tl.float64)
        for tap in range(KERNEL * KERNEL):
            line, column = top + tap // KERNEL, left + tap % KERNEL
            seen = (line >= 0) & (line < HEIGHT) & (column >= 0) & (column < WIDTH)
            there = source + (line * WIDTH + column)[:, None] * channels + channel[None, :]
            inside = made & seen[:, None]
            values = tl.load(there, mask=inside, other=float("-inf"))
            derivatives = tl.load(there + HEIGHT * WIDTH * channels, mask=inside, other=0.0)
            larger = values > value
            value = tl.where(larger, values, value)
            derivative = tl.where(larger, derivatives, derivative)
        target = result + place[:, None] * channels + channel[None, :]
        tl.store(target, value, mask=made)
        tl.store(target + PLACES * channels, derivative, mask=made)


@triton.jit
def _head(
    table,
    flow,
    weights,
    results,
    FIELDS: tl.constexpr,
    PLACES: tl.constexpr,
    PIXELS: tl.constexpr,
    CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
    CHANNELS_ALIGNED: tl.constexpr,
):
    row = table + tl.program_id(0).to(tl.int64) * FIELDS
    source = flow + tl.multiple_of(tl.load(row), 32)
    weight = weights + tl.multiple_of(tl.load(row + 1), 32)
    channels = _number(row + 3, CHANNELS, CHANNELS_ALIGNED)
    classes = tl.load(row + 4).to(tl.int32)

    total = tl.zeros((BLOCK,), tl.float64)
    for first in range(0, channels, BLOCK):
        channel = first + tl.arange(0, BLOCK)
        known = (channel < channels)[None, :]
        both = tl.zeros((PIXELS, BLOCK), tl.float64)
        for start in range(0, PLACES, PIXELS):
            place = start + tl.arange(0, PIXELS)[:, None]
            there = source + place * channels + channel[None, :]
            inside = (place < PLACES) & known
            both += tl.load(there, mask=inside, other=0.0)
            both += tl.load(there + PLACES * channels, mask=inside, other=0.0)
        factor = tl.zeros((CLASSES, BLOCK), tl.float64)
        for start in range(0, classes, CLASSES):
            number = start + tl.arange(0, CLASSES)[:, None]
            there = weight + number * channels + channel[None, :]
            found = tl.load(there, mask=(number < classes) & known, other=0.0)
            factor += tl.abs(found).to(tl.float64)
        total += tl.sum(both, axis=0) / PLACES * tl.sum(factor, axis=0)
    tl.store(results + tl.load(row + 2), tl.sum(total))
