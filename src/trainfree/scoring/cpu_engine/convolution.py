"""Convolutions on the CPU, with what surrounds them in the engine done on the way.

Images have channels last, (B, height, width, C). While an image is in cache, its ReLU is applied,
it is convolved, and its sums for batch normalisation are taken. 3 × 3 convolutions of stride one go
through Winograd's F(4 × 4, 3 × 3), with a quarter of the products; all others are sums of row
products over the window's rows. One thread, a fixed order of sums: the same bits every time.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled
from trainfree.scoring.cpu_engine.fused import Moments
from trainfree.scoring.cpu_engine.memory import empty, zeros
from trainfree.scoring.cpu_engine.simd import (
    CHAINS,
    HALF,
    LANES,
    ROWS,
    add_differences,
    expect_writes,
    multiply_rows,
)
from trainfree.scoring.cpu_engine.winograd import (
    POSITIONS,
    TILE,
    transform_patch,
    transform_tile,
    transform_weights,
)

Floats = NDArray[Any]
"""float32 or float64."""
_Made = tuple[Floats, Floats, NDArray[np.float64]]
"""A map, (pixels · out,), its first pixel, and the sums of differences from it; empty ones are not
taken."""

_FEWEST_PIXELS = 1024
"""Fewer are not worth the transform of the weights."""
_TILES_A_GROUP = 16
"""Few enough for patches, products and the piece of the map that is made of them to stay near."""
_ROWS_A_BLOCK = 256
_PIXELS_A_ROW = 128
"""Few enough to stay in the nearest cache with all their channels."""


def can_convolve(weight: Floats) -> bool:
    """Whether :func:`convolve` takes these weights: outputs must fill whole short vectors."""
    return int(weight.shape[0]) % HALF == 0


def convolve(
    x: Floats, weight: Floats, stride: int, padding: int, relu: bool
) -> tuple[Floats, Moments]:
    """Convolve ``x``, or its positive part, and return the map with its moments.

    Parameters
    ----------
    x
        Images, (B, height, width, C), contiguous.
    weight
        (out, C, kernel, kernel); ``out`` is a multiple of ``simd.HALF``.
    relu
        Whether max(x, 0) is convolved.

    Returns
    -------
    map, moments
        (B, height', width', out), and mean and biased variance of each of its channels.
    """
    images, height, width, channels = x.shape
    outputs, _, kernel, _ = weight.shape
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    geometry = (kernel, stride, padding)
    made = _unmade(images * prod(sides), outputs, x.dtype)
    if can_tile((images, channels, height, width), outputs, geometry):
        nothing = _unmade(0, 0, x.dtype)
        _convolve_tiles(x, _transformed(weight), relu, _scratch(x, outputs), made, nothing)
    else:
        _convolve_rows(_in_rows(x, geometry), _ordered(weight), geometry, relu, *made)
    return _finished(made, (images, *sides, outputs))


def convolve_both(
    x: Floats, first: Floats, second: Floats, relu: bool
) -> tuple[tuple[Floats, Moments], tuple[Floats, Moments]]:
    """Return what :func:`convolve` makes of each of two weights that `can_tile` allows.

    The map is read, and its patches are transformed, once for both.
    """
    outputs = (len(first), len(second))
    made, other = (_unmade(prod(x.shape[:3]), count, x.dtype) for count in outputs)
    weight = _transformed(np.concatenate([first, second]))
    _convolve_tiles(x, weight, relu, _scratch(x, sum(outputs)), made, other)
    shape = x.shape[:3]
    return _finished(made, (*shape, outputs[0])), _finished(other, (*shape, outputs[1]))


def _unmade(pixels: int, outputs: int, dtype: Any) -> _Made:
    # What is written beyond the last pixel is never read.
    flat = empty(((pixels + ROWS) * outputs,), dtype)
    return flat, zeros((outputs,), dtype), zeros((2, outputs), np.float64)


def _finished(made: _Made, shape: tuple[int, ...]) -> tuple[Floats, Moments]:
    flat, pivot, sums = made
    size = prod(shape)
    rows = size // shape[-1]
    mean = sums[0] / rows
    moments = Moments(pivot + mean, np.maximum(sums[1] / rows - mean * mean, 0.0))
    return flat[:size].reshape(shape), moments


def can_tile(shape: tuple[int, ...], outputs: int, geometry: tuple[int, int, int]) -> bool:
    """Whether :func:`convolve_tiled` takes maps (B, C, height, width) and is worth its transforms.

    Parameters
    ----------
    outputs
        Channels of the result.
    geometry
        Kernel, stride and padding.
    """
    images, channels, height, width = shape
    whole = height % TILE == 0 and width % TILE == 0
    full = channels % HALF == 0 and outputs % HALF == 0
    many = images * height * width >= _FEWEST_PIXELS
    return geometry == (3, 1, 1) and whole and full and many


def convolve_tiled(x: Floats, weight: Floats) -> Floats:
    """Return the convolution of (B, height, width, C) with 3 × 3 windows that `can_tile` allows."""
    outputs = weight.shape[0]
    flat, pivot, _ = _unmade(prod(x.shape[:3]), outputs, x.dtype)
    made, nothing = (flat, pivot, np.empty((0, 0))), _unmade(0, 0, x.dtype)
    _convolve_tiles(x, _transformed(weight), False, _scratch(x, outputs), made, nothing)
    return flat[: prod(x.shape[:3]) * outputs].reshape(*x.shape[:3], outputs)


def convolve_plainly(x: Floats, weight: Floats, stride: int, padding: int) -> Floats:
    """Return a convolution and nothing else; no product is replaced by differences of others."""
    images, height, width, _ = x.shape
    outputs, _, kernel, _ = weight.shape
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    size, geometry = images * prod(sides) * outputs, (kernel, stride, padding)
    flat, none = empty((size + ROWS * outputs,), x.dtype), np.empty((0, 0))
    pivot = np.empty(outputs, x.dtype)
    _convolve_rows(_in_rows(x, geometry), _ordered(weight), geometry, False, flat, pivot, none)
    return flat[:size].reshape(images, *sides, outputs)


def _in_rows(x: Floats, geometry: tuple[int, int, int]) -> Floats:
    """Return the images; in short rows of pixels where windows are pixels."""
    if geometry != (1, 1, 0):
        return x
    pixels = x.size // x.shape[3]
    width = _PIXELS_A_ROW if pixels % _PIXELS_A_ROW == 0 else x.shape[1] * x.shape[2]
    return x.reshape(-1, 1, width, x.shape[3])


def _ordered(weight: Floats) -> Floats:
    """Return weights in the order of windows, (kernel · kernel · C · out,)."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(-1)


def _scratch(x: Floats, outputs: int) -> tuple[Floats, Floats, Floats]:
    """Return room for the patches and products of a group of images, and for a padded image."""
    _, height, width, channels = x.shape
    rows = -(-_tiles_a_group(height, width) // ROWS) * ROWS
    # One vector more than needed keeps positions from falling onto the same lines of the cache.
    return (
        zeros((POSITIONS, rows * channels + LANES), x.dtype),
        zeros((POSITIONS, rows * outputs + LANES), x.dtype),
        zeros(((height + 2) * (width + 2) * channels,), x.dtype),
    )


@compiled(nogil=True)
def _tiles_a_group(height: int, width: int) -> int:
    """Return how many tiles are made together: whole images, or whole rows of one."""
    across, tiles = width // TILE, height * width // (TILE * TILE)
    if tiles <= _TILES_A_GROUP:
        return _TILES_A_GROUP // tiles * tiles
    rows = max(1, _TILES_A_GROUP // across)
    while tiles // across % rows:
        rows -= 1
    return rows * across


def _transformed(weight: Floats) -> Floats:
    """Return G w Gᵀ for each pair of channels, (36, C, out)."""
    outputs, channels = weight.shape[:2]
    result = empty((POSITIONS, channels, outputs), weight.dtype)
    _transform_weights(_ordered(weight), result.reshape(-1))
    return result


@compiled(nogil=True)
def _transform_weights(weight: Floats, out: Floats) -> None:
    stride = out.shape[0] // POSITIONS
    for start in range(0, stride, LANES):
        transform_weights(weight, start, stride, out, start, stride - start)


@compiled(nogil=True)
def _pad(image: Floats, padding: int, relu: bool, out: Floats) -> None:
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
def _convolve_tiles(
    x: Floats,
    weight: Floats,
    relu: bool,
    scratch: tuple[Floats, Floats, Floats],
    first: _Made,
    second: _Made,
) -> None:
    """Make one map or two; ``weight`` holds the outputs of the second behind those of the first."""
    images, height, width, _ = x.shape
    patches, products, padded = scratch
    across, tiles = width // TILE, height * width // (TILE * TILE)
    group, split, total = _tiles_a_group(height, width), first[1].shape[0], weight.shape[2]
    for begin in range(0, images * tiles, group):
        count = min(group, images * tiles - begin)
        pixel, pixels = begin * TILE * TILE, count * TILE * TILE
        _transform_patches(x, relu, padded, begin, count, patches)
        _multiply_tiles(patches, count, weight, pixel, first, second, products)
        _transform_tiles(products, 0, total, begin, count, across, tiles, first[0], split)
        if first[2].size:
            _add_moments(first[0], pixel, pixels, first[1], first[2])
        if second[1].size:
            outputs = second[1].shape[0]
            _transform_tiles(
                products, split, total, begin, count, across, tiles, second[0], outputs
            )
            _add_moments(second[0], pixel, pixels, second[1], second[2])


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
            _pad(x[image], 1, relu, padded)
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
    first: _Made,
    second: _Made,
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
                    kernel, position * channels * outputs + lane, outputs,
                    result, position * out_pitch + row * outputs + lane, outputs,
                    1, channels, outputs - lane,
                )  # fmt: skip


@numba.njit(inline="always")
def _expect(made: _Made, pixel: int, tiles: int, position: int) -> None:
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
def _convolve_rows(
    x: Floats,
    weight: Floats,
    geometry: tuple[int, int, int],
    relu: bool,
    out: Floats,
    pivot: Floats,
    sums: NDArray[np.float64],
) -> None:
    kernel, stride, padding = geometry
    images, height, width, channels = x.shape
    outputs = pivot.shape[0]
    out_height = (height + 2 * padding - kernel) // stride + 1
    out_width = (width + 2 * padding - kernel) // stride + 1
    across, step = (width + 2 * padding) * channels, stride * channels
    padded = np.zeros((height + 2 * padding) * across + ROWS * step, x.dtype)
    for image in range(images):
        _pad(x[image], padding, relu, padded)
        for row in range(out_height):
            begin, end = row * stride * across, (image * out_height + row) * out_width
            for lane in range(0, outputs, LANES):
                # The last pixels of a row may run into the next one, which is written after it.
                for column in range(0, out_width, ROWS):
                    multiply_rows(
                        padded, begin + column * step, step, across, weight, lane, outputs,
                        out, (end + column) * outputs + lane, outputs, kernel, kernel * channels,
                        outputs - lane,
                    )  # fmt: skip
        if sums.size:
            size = out_height * out_width
            _add_moments(out, image * size, size, pivot, sums)


@compiled(nogil=True)
def _add_moments(
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
