"""Sums of maps of many architectures in one launch, with their binary codes.

One pass over memory: a term is normalised or averaged while it is read, and the sum is written as a
map, as a code, or as both.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import (
    ALIGNMENT,
    AVERAGED,
    FIELDS,
    NORMALISED,
    OF_RELU,
    Combination,
    Kind,
)

_ELEMENTS, _WARPS = 1024, 8
"""Of the sum in one program, and its warps: four elements a thread.

With more, Triton gives a thread 16 neighbours, for the bytes of the code, and neighbouring threads
no longer read neighbouring words of maps."""
_ALIGNMENT = tl.constexpr(ALIGNMENT)
_FIELDS = tl.constexpr(FIELDS[Kind.COMBINE])
_AVERAGED, _NORMALISED = tl.constexpr(AVERAGED), tl.constexpr(NORMALISED)
_OF_RELU = tl.constexpr(OF_RELU)


def combine(
    table: Tensor, geometry: Combination, maps: Tensor, codes: Tensor | None, images: int
) -> None:
    """Add up the terms of each row; no terms make zeros.

    Parameters
    ----------
    table
        Rows as :class:`~trainfree.scoring.gpu_kernels.launches.Combination` says, int64.
    maps
        float32, or float64 for the synaptic flow; holds terms, statistics and results.
    codes
        int8; 1 where the sum is positive, else 0. None where no row wants a code.
    images
        B, or 2 for the synaptic flow.
    """
    channels = geometry.channels
    pixels = images * geometry.height * geometry.width
    at_once = _ELEMENTS // channels.block
    _combine[(triton.cdiv(pixels, at_once), channels.programs, len(table))](
        table,
        maps,
        maps if codes is None else codes,
        pixels,
        SOME_CODES=codes is not None,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        SOME_AVERAGED=geometry.averaged,
        BLOCK=channels.block,
        EXACT=channels.exact,
        ALIGNED=channels.aligned,
        PIXELS=at_once,
        num_warps=_WARPS,
    )


@triton.jit
def _relu_if(x, wanted):
    return tl.where(wanted, tl.maximum(x, 0.0, propagate_nan=tl.PropagateNan.ALL), x)


@triton.jit
def _average(read, known, y, x, channels, of_relu, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Return the mean of 3 × 3 neighbours, those outside of the map not counted."""
    total = tl.zeros(known.shape, read.dtype.element_ty)
    for tap in tl.static_range(9):
        down, right = tap // 3 - 1, tap % 3 - 1
        inside = (y + down >= 0) & (y + down < HEIGHT) & (x + right >= 0) & (x + right < WIDTH)
        at = read + (down * WIDTH + right) * channels
        total += _relu_if(tl.load(at, mask=known & inside[:, None], other=0.0), of_relu)
    rows = 1 + (y > 0).to(tl.int32) + (y < HEIGHT - 1).to(tl.int32)
    columns = 1 + (x > 0).to(tl.int32) + (x < WIDTH - 1).to(tl.int32)
    return total / (rows * columns)[:, None].to(total.dtype)


@triton.jit(do_not_specialize=["pixels"], do_not_specialize_on_alignment=["table"])
def _combine(
    table,
    maps,
    codes,
    pixels,
    SOME_CODES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    SOME_AVERAGED: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
    ALIGNED: tl.constexpr,
    PIXELS: tl.constexpr,
):
    row = table + tl.program_id(2) * _FIELDS
    result, code, terms = tl.load(row), tl.load(row + 1), tl.load(row + 3).to(tl.int32)
    channels = tl.multiple_of(tl.load(row + 2).to(tl.int32), ALIGNED)
    blocks = tl.cdiv(channels, BLOCK)
    if EXACT > 0:
        channels = EXACT
        blocks = 1  # others are made by other programs
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    y, x = pixel // WIDTH % HEIGHT, pixel % WIDTH
    for block in range(blocks):
        c = (tl.program_id(1) + block) * BLOCK + tl.arange(0, BLOCK)
        at = pixel[:, None] * channels + c[None, :]
        known = (pixel < pixels)[:, None] & (c < channels)[None, :]
        if EXACT > 0:
            known = ((pixel < pixels)[:, None]).broadcast_to(PIXELS, BLOCK)
        total = tl.zeros((PIXELS, BLOCK), maps.dtype.element_ty)
        for term in range(terms):
            fields = row + 4 + 3 * term
            read = maps + tl.multiple_of(tl.load(fields), _ALIGNMENT) + at
            how = tl.load(fields + 1).to(tl.int32)
            of_relu = (how & _OF_RELU) != 0
            value = tl.zeros((PIXELS, BLOCK), maps.dtype.element_ty)
            averaged = False
            if SOME_AVERAGED:
                averaged = (how & _AVERAGED) != 0
            if averaged:
                value = _average(read, known, y, x, channels, of_relu, HEIGHT, WIDTH)
            else:
                value = _relu_if(tl.load(read, mask=known, other=0.0), of_relu)
            if (how & _NORMALISED) != 0:
                statistics = maps + tl.multiple_of(tl.load(fields + 2), _ALIGNMENT) + c
                mean = tl.load(statistics, mask=c < channels, other=0.0)
                inverse = tl.load(statistics + channels, mask=c < channels, other=0.0)
                value = (value - mean[None, :]) * inverse[None, :]
            total += value
        if result >= 0:
            tl.store(maps + tl.multiple_of(result, _ALIGNMENT) + at, total, mask=known)
        if SOME_CODES:  # noqa: SIM102 — known when the kernel is compiled, the other is not
            if code >= 0:
                positive = (total > 0).to(tl.int8)
                tl.store(codes + tl.multiple_of(code, _ALIGNMENT) + at, positive, mask=known)
