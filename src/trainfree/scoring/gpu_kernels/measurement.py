"""Moments of maps that no convolution made, such as a sum that batch normalisation reads."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import ALIGNMENT, FIELDS, TILE, Kind, Measurement

_ALIGNMENT = tl.constexpr(ALIGNMENT)
_FIELDS = tl.constexpr(FIELDS[Kind.MEASURE])


def measure(table: Tensor, geometry: Measurement, maps: Tensor, images: int) -> None:
    """Leave the moments of the tiles of each row's map, as a convolution leaves its own.

    Parameters
    ----------
    table
        Rows: map, moments, channels; (rows, 3) int64.
    maps
        float32; holds maps, (B, height, width, channels), and moments, (tiles, 2, channels).
    images
        B.
    """
    pixels, channels = images * geometry.pixels, geometry.channels
    _measure[(triton.cdiv(pixels, TILE), len(table))](
        table,
        maps,
        pixels,
        RELU=geometry.relu,
        BLOCK=channels.block,
        EXACT=channels.exact,
        ALIGNED=channels.aligned,
        PIXELS=TILE,
        num_warps=4,
    )


@triton.jit(do_not_specialize=["pixels"])
def _measure(
    table,
    maps,
    pixels,
    RELU: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
    ALIGNED: tl.constexpr,
    PIXELS: tl.constexpr,
):
    row = table + tl.program_id(1) * _FIELDS
    source = maps + tl.multiple_of(tl.load(row), _ALIGNMENT)
    moments = maps + tl.multiple_of(tl.load(row + 1), _ALIGNMENT)
    channels = tl.multiple_of(tl.load(row + 2).to(tl.int32), ALIGNED)
    if EXACT > 0:
        channels = EXACT
    tile = tl.program_id(0)
    pixel = tile * PIXELS + tl.arange(0, PIXELS)
    count = tl.minimum(PIXELS, pixels - tile * PIXELS).to(tl.float32)
    for first in range(0, channels, BLOCK):
        channel = first + tl.arange(0, BLOCK)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        x = tl.load(source + pixel[:, None] * channels + channel[None, :], mask=inside, other=0.0)
        if RELU:
            x = tl.maximum(x, 0.0)
        total = tl.sum(x, axis=0)
        deviation = tl.where(inside, x - (total / count)[None, :], 0.0)
        place = moments + 2 * tile * channels + channel
        tl.store(place, total, mask=channel < channels)
        tl.store(place + channels, tl.sum(deviation * deviation, axis=0), mask=channel < channels)
