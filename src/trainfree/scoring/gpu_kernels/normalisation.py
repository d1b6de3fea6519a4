"""Batch normalisation's statistics of many maps, from the moments of their tiles.

The moments are merged in float64 and in a fixed order: the mean first, then the squares around it,
Σ Σ (x − mean)² = Σ (squares around the tile's mean + count · (tile's mean − mean)²).
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import (
    ALIGNMENT,
    FIELDS,
    TILE,
    WIDEST_BLOCK,
    Kind,
    Normalisation,
)

EPSILON = 1e-5
_ELEMENTS, _WARPS = 1024, 4
"""Of the moments at once, and warps of a program. They decide the order of sums."""
_ALIGNMENT = tl.constexpr(ALIGNMENT)
_FIELDS = tl.constexpr(FIELDS[Kind.NORMALISE])
_EPSILON = tl.constexpr(EPSILON)


def normalise(table: Tensor, geometry: Normalisation, maps: Tensor, images: int) -> None:
    """Turn the moments of each row into mean and 1 / √(variance + ε), (2, channels).

    Parameters
    ----------
    table
        Rows: moments, statistics, channels; (rows, 3) int64.
    maps
        float32; holds both.
    images
        B.
    """
    channels = geometry.channels
    _normalise[(channels.programs, len(table))](
        table,
        maps,
        images * geometry.pixels,
        BLOCK=channels.block,
        EXACT=channels.exact,
        ALIGNED=channels.aligned,
        TILES=_ELEMENTS // min(channels.block, WIDEST_BLOCK),
        PIXELS=TILE,
        num_warps=_WARPS,
    )


@triton.jit(do_not_specialize=["pixels"], do_not_specialize_on_alignment=["table"])
def _normalise(
    table,
    maps,
    pixels,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
    ALIGNED: tl.constexpr,
    TILES: tl.constexpr,
    PIXELS: tl.constexpr,
):
    row = table + tl.program_id(1) * _FIELDS
    moments = maps + tl.multiple_of(tl.load(row), _ALIGNMENT)
    statistics = maps + tl.multiple_of(tl.load(row + 1), _ALIGNMENT)
    channels = tl.multiple_of(tl.load(row + 2).to(tl.int32), ALIGNED)
    blocks = tl.cdiv(channels, BLOCK)
    if EXACT > 0:
        channels = EXACT
        blocks = 1  # others are made by other programs
    tiles = tl.cdiv(pixels, PIXELS)
    of_all = 1.0 / pixels.to(tl.float64)
    for block in range(blocks):
        c = (tl.program_id(0) + block) * BLOCK + tl.arange(0, BLOCK)
        sums = tl.zeros((TILES, BLOCK), tl.float64)
        for start in range(0, tiles, TILES):
            tile = start + tl.arange(0, TILES)
            known = (tile < tiles)[:, None] & (c < channels)[None, :]
            at = moments + tile[:, None] * 2 * channels + c[None, :]
            sums += tl.load(at, mask=known, other=0.0).to(tl.float64)
        mean = tl.sum(sums, axis=0) * of_all
        squares = tl.zeros((TILES, BLOCK), tl.float64)
        for start in range(0, tiles, TILES):
            tile = start + tl.arange(0, TILES)
            known = (tile < tiles)[:, None] & (c < channels)[None, :]
            at = moments + tile[:, None] * 2 * channels + c[None, :]
            count = tl.minimum(pixels - tile * PIXELS, PIXELS).to(tl.float64)
            share = (1.0 / tl.where(tile < tiles, count, 1.0))[:, None]
            apart = tl.load(at, mask=known, other=0.0).to(tl.float64) * share - mean[None, :]
            own = tl.load(at + channels, mask=known, other=0.0).to(tl.float64)
            squares += tl.where(known, own + count[:, None] * apart * apart, 0.0)
        variance = tl.sum(squares, axis=0) * of_all
        deviation = tl.sqrt_rn((variance + _EPSILON).to(tl.float32))
        inverse = tl.div_rn(tl.full((BLOCK,), 1.0, tl.float32), deviation)
        tl.store(statistics + c, mean.to(tl.float32), mask=c < channels)
        tl.store(statistics + channels + c, inverse, mask=c < channels)
