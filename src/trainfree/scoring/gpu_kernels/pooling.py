"""Pooling, and copies of channels, of many architectures in one launch."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import ALIGNMENT, FIELDS, Copying, Kind, Pooling

_ELEMENTS, _WARPS = 2048, 4
"""Of the result in one program, and its warps."""
_ALIGNMENT = tl.constexpr(ALIGNMENT)
_POOL_FIELDS = tl.constexpr(FIELDS[Kind.POOL])
_COPY_FIELDS = tl.constexpr(FIELDS[Kind.COPY])


def pool(table: Tensor, geometry: Pooling, maps: Tensor, images: int) -> None:
    """Average or take the maximum of neighbours; those outside of the map do not count.

    Parameters
    ----------
    table
        Rows: map, result, channels; (rows, 3) int64.
    maps
        float32, or float64 for the synaptic flow (averages alone).
    images
        B, or 2 for the synaptic flow.
    """
    channels = geometry.channels
    height, width = geometry.size_out
    pixels, at_once = images * height * width, _ELEMENTS // channels.block
    _pool[(triton.cdiv(pixels, at_once), channels.programs, len(table))](
        table,
        maps,
        pixels,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        HEIGHT_OUT=height,
        WIDTH_OUT=width,
        KERNEL=geometry.kernel,
        STRIDE=geometry.stride,
        PADDING=geometry.padding,
        AVERAGE=geometry.average,
        RELU=geometry.relu,
        BLOCK=channels.block,
        EXACT=channels.exact,
        ALIGNED=channels.aligned,
        PIXELS=at_once,
        num_warps=_WARPS,
    )


def copy(table: Tensor, geometry: Copying, maps: Tensor, images: int) -> None:
    """Copy the first channels of each row's map into a part of another map, shifted or not.

    Parameters
    ----------
    table
        Rows: map, result, channels of the map, channels of the result, first channel in the
        result, channels to copy; (rows, 6) int64.
    maps
        float32, or float64 for the synaptic flow.
    images
        B, or 2 for the synaptic flow.
    """
    channels = geometry.channels
    pixels, at_once = images * geometry.height * geometry.width, _ELEMENTS // channels.block
    _copy[(triton.cdiv(pixels, at_once), channels.programs, len(table))](
        table,
        maps,
        pixels,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        RELU=geometry.relu,
        SHIFTED=geometry.shifted,
        BLOCK=channels.block,
        EXACT=channels.exact,
        PIXELS=at_once,
        num_warps=_WARPS,
    )


@triton.jit(do_not_specialize=["pixels"], do_not_specialize_on_alignment=["table"])
def _pool(
    table,
    maps,
    pixels,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    HEIGHT_OUT: tl.constexpr,
    WIDTH_OUT: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    AVERAGE: tl.constexpr,
    RELU: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
    ALIGNED: tl.constexpr,
    PIXELS: tl.constexpr,
):
    row = table + tl.program_id(2) * _POOL_FIELDS
    source = maps + tl.multiple_of(tl.load(row), _ALIGNMENT)
    result = maps + tl.multiple_of(tl.load(row + 1), _ALIGNMENT)
    channels = tl.multiple_of(tl.load(row + 2).to(tl.int32), ALIGNED)
    blocks = tl.cdiv(channels, BLOCK)
    if EXACT > 0:
        channels = EXACT
        blocks = 1  # others are made by other programs
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    image, place = pixel // (HEIGHT_OUT * WIDTH_OUT), pixel % (HEIGHT_OUT * WIDTH_OUT)
    top = place // WIDTH_OUT * STRIDE - PADDING
    left = place % WIDTH_OUT * STRIDE - PADDING
    corner = ((image * HEIGHT + top) * WIDTH + left) * channels
    for block in range(blocks):
        c = (tl.program_id(1) + block) * BLOCK + tl.arange(0, BLOCK)
        known = (pixel < pixels)[:, None] & (c < channels)[None, :]
        if AVERAGE:
            total = tl.zeros((PIXELS, BLOCK), maps.dtype.element_ty)
        else:
            total = tl.full((PIXELS, BLOCK), float("-inf"), maps.dtype.element_ty)
        count = tl.zeros((PIXELS,), tl.int32)
        for tap in range(KERNEL * KERNEL):
            down, right = tap // KERNEL, tap % KERNEL
            y, x = top + down, left + right
            inside = (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
            at = source + corner[:, None] + c[None, :] + (down * WIDTH + right) * channels
            if AVERAGE:
                value = tl.load(at, mask=known & inside[:, None], other=0.0)
            else:
                value = tl.load(at, mask=known & inside[:, None], other=float("-inf"))
            if AVERAGE and RELU:
                value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
            if AVERAGE:
                total += value
                count += inside.to(tl.int32)
            else:
                total = tl.maximum(total, value, propagate_nan=tl.PropagateNan.ALL)
        if AVERAGE:
            total = total / count[:, None].to(total.dtype)
        elif RELU:  # as good behind the maximum as before it
            total = tl.maximum(total, 0.0, propagate_nan=tl.PropagateNan.ALL)
        tl.store(result + pixel[:, None] * channels + c[None, :], total, mask=known)


@triton.jit(do_not_specialize=["pixels"], do_not_specialize_on_alignment=["table"])
def _copy(
    table,
    maps,
    pixels,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    RELU: tl.constexpr,
    SHIFTED: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
    PIXELS: tl.constexpr,
):
    # Numbers of channels of both maps are any, so that nothing is known of alignment.
    row = table + tl.program_id(2) * _COPY_FIELDS
    source, result = maps + tl.load(row), maps + tl.load(row + 1)
    channels_in, channels_out = tl.load(row + 2).to(tl.int32), tl.load(row + 3).to(tl.int32)
    first, channels = tl.load(row + 4).to(tl.int32), tl.load(row + 5).to(tl.int32)
    blocks = tl.cdiv(channels, BLOCK)
    if EXACT > 0:
        blocks = 1  # others are made by other programs
    pixel = (tl.program_id(0) * PIXELS + tl.arange(0, PIXELS))[:, None]
    read, inside = pixel, pixel < pixels
    if SHIFTED:
        read += WIDTH + 1
        inside &= (pixel // WIDTH % HEIGHT < HEIGHT - 1) & (pixel % WIDTH < WIDTH - 1)
    for block in range(blocks):
        c = ((tl.program_id(1) + block) * BLOCK + tl.arange(0, BLOCK))[None, :]
        known = (pixel < pixels) & (c < channels)
        value = tl.load(source + read * channels_in + c, mask=known & inside, other=0.0)
        if RELU:
            value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
        tl.store(result + pixel * channels_out + first + c, value, mask=known)
