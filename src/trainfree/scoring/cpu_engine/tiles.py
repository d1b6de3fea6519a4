"""Convolutions by Winograd's tiles, and what they share with those by rows.

An image is padded, convolved, and its moments are taken while it is in cache. One thread, a fixed
order of sums: the same bits every time.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled
from trainfree.scoring.cpu_engine.simd import (
    CHAINS,
    LANES,
    ROWS,
    add_differences,
    expect_writes,
    multiply_rows,
)
from trainfree.scoring.cpu_engine.winograd import POSITIONS, TILE, transform_patch, transform_tile

Floats = NDArray[Any]
"""float32 or float64."""
Made = tuple[Floats, Floats, NDArray[np.float64]]
"""A map, (pixels · out,), its first pixel, and the sums of differences from it; empty ones are not
taken."""

_TILES_A_GROUP = 16
"""Few enough for patches, products and the piece of the map that is made of them to stay near."""
_MOST_CHANNELS = 100
"""In and out together: of more, only half a group is multiplied at once. With 128 patches and
products take 0.3 MB of the second cache, where the weights lie, too."""
_ROWS_A_BLOCK = 256


@compiled(nogil=True)
def tiles_a_group(height: int, width: int) -> int:
    """Return how many tiles are made together: whole images, or whole rows of one."""
    across, tiles = width // TILE, height * width // (TILE * TILE)
    if tiles <= _TILES_A_GROUP:
        return _TILES_A_GROUP // tiles * tiles
    rows = max(1, _TILES_A_GROUP // across)
    while tiles // across % rows:
        rows -= 1
    return rows * across


@compiled(nogil=True)
def pad_image(image: Floats, padding: int, relu: bool, out: Floats) -> None:
    """Write one image, or its positive part, inside a border that is left as it is."""
    height, width, channels = image.shape
    zero = image.dtype.type(0)
    length, pitch = width * channels, (width + 2 * padding) * channels
    numbers = image.reshape(height, length)
    for row in range(height):
        source = numbers[row]
        start = (row + padding) * pitch + padding * channels
        target = out[start : start + length]
        if relu:
            for k in range(length):
                target[k] = source[k] if source[k] > zero else zero
        else:
            target[:] = source


@compiled(nogil=True)
def convolve_tiles(
    x: Floats,
    weight: Floats,
    relu: bool,
    scratch: tuple[Floats, Floats, Floats],
    first: Made,
    second: Made,
) -> None:
    """Make one map or two.

    Parameters
    ----------
    weight
        (36, C, out), transformed, each position in panels of :data:`LANES` outputs; those of the
        second map come behind those of the first.
    scratch
        Room for patches and products of a group of tiles, and for a padded image.
    """
    images, height, width, channels = x.shape
    patches, products, padded = scratch
    across, tiles = width // TILE, height * width // (TILE * TILE)
    group, split, total = tiles_a_group(height, width), first[1].shape[0], weight.shape[2]
    step, outputs = _tiles_at_once(group, channels + total), second[1].shape[0]
    for start in range(0, images * tiles, group):
        end = min(start + group, images * tiles)
        for begin in range(start, end, step):
            count = min(step, end - begin)
            _transform_patches(x, relu, padded, begin, count, patches)
            _multiply_tiles(patches, count, weight, begin * TILE * TILE, first, second, products)
            _transform_tiles(products, 0, total, begin, count, across, tiles, first[0], split)
            if outputs:
                _transform_tiles(
                    products, split, total, begin, count, across, tiles, second[0], outputs
                )
        pixel, pixels = start * TILE * TILE, (end - start) * TILE * TILE
        if first[2].size:
            add_moments(first[0], pixel, pixels, first[1], first[2])
        if outputs:
            add_moments(second[0], pixel, pixels, second[1], second[2])


@compiled(nogil=True)
def _tiles_at_once(group: int, channels: int) -> int:
    """Return how many tiles of a group to multiply together, given channels in and out."""
    return group // 2 if group % 2 == 0 and channels > _MOST_CHANNELS else group


@compiled(nogil=True)
def _transform_patches(
    x: Floats, relu: bool, padded: Floats, begin: int, count: int, patches: Floats
) -> None:
    """Transform the patches of ``count`` tiles; an image is padded where its first one comes."""
    _, height, width, channels = x.shape
    across, tiles = width // TILE, height * width // (TILE * TILE)
    row_stride, pitch, flat = (width + 2) * channels, patches.shape[1], patches.reshape(-1)
    for row in range(count):
        image, tile = divmod(begin + row, tiles)
        if tile == 0:
            pad_image(x[image], 1, relu, padded)
        corner = tile // across * TILE * row_stride + tile % across * TILE * channels
        for lane in range(0, channels, LANES):
            transform_patch(
                padded, corner + lane, row_stride, channels,
                flat, row * channels + lane, pitch, channels - lane,
            )  # fmt: skip


@compiled(nogil=True)
def _multiply_tiles(
    patches: Floats,
    count: int,
    weight: Floats,
    pixel: int,
    first: Made,
    second: Made,
    products: Floats,
) -> None:
    """Multiply ``count`` patches with all weights, while the maps' lines from ``pixel`` come in."""
    _, channels, outputs = weight.shape
    pitch, out_pitch = patches.shape[1], products.shape[1]
    flat, kernel, result = patches.reshape(-1), weight.reshape(-1), products.reshape(-1)
    for position in range(POSITIONS):
        _expect(first, pixel, count, position)
        _expect(second, pixel, count, position)
        for lane in range(0, outputs, LANES):
            for row in range(0, count, ROWS):
                multiply_rows(
                    flat, position * pitch + row * channels, channels, 0,
                    kernel, (position * outputs + lane) * channels, min(LANES, outputs - lane),
                    result, position * out_pitch + row * outputs + lane, outputs,
                    1, channels, outputs - lane,
                )  # fmt: skip


@numba.njit(inline="always")
def _expect(made: Made, pixel: int, tiles: int, position: int) -> None:
    """Fetch one of :data:`POSITIONS` parts of the lines that tiles from ``pixel`` on will fill."""
    out, outputs = made[0], made[1].shape[0]
    part = -(-tiles * TILE * TILE * outputs // POSITIONS)
    start = pixel * outputs + part * position
    for place in range(start, min(start + part, out.shape[0]), LANES):
        expect_writes(out, place)


@compiled(nogil=True)
def _transform_tiles(
    products: Floats,
    start: int,
    step: int,
    begin: int,
    count: int,
    across: int,
    tiles: int,
    out: Floats,
    outputs: int,
) -> None:
    """Write ``count`` tiles of a map with products from ``start`` on, ``step`` apart."""
    flat, pitch, width = products.reshape(-1), products.shape[1], across * TILE
    for row in range(count):
        image, tile = divmod(begin + row, tiles)
        pixel = image * tiles * TILE * TILE
        pixel += tile // across * TILE * width + tile % across * TILE
        for lane in range(0, outputs, LANES):
            transform_tile(
                flat, start + lane, pitch,
                out, pixel * outputs + lane, width * outputs, outputs, outputs - lane,
            )  # fmt: skip
        start += step


@compiled(nogil=True)
def add_moments(
    flat: Floats, first: int, rows: int, pivot: Floats, sums: NDArray[np.float64]
) -> None:
    """Add ``rows`` rows of channels of a map to its sums.

    Sums are of differences from the map's first row, in short blocks, so that a mean that is large
    beside the deviation costs no digits.
    """
    channels = pivot.shape[0]
    start, totals = first * channels, sums.reshape(-1)
    if first == 0:
        pivot[:] = flat[:channels]
    for lane in range(0, channels, LANES):
        for block in range(0, rows, _ROWS_A_BLOCK):
            chain = min(_ROWS_A_BLOCK, rows - block) // CHAINS
            add_differences(
                flat, start + block * channels + lane, channels, chain,
                pivot, lane, totals, lane, channels + lane, channels - lane,
            )  # fmt: skip
    for row in range(rows // CHAINS * CHAINS, rows):
        for channel in range(channels):
            difference = np.float64(flat[start + row * channels + channel] - pivot[channel])
            sums[0, channel] += difference
            sums[1, channel] += difference * difference
