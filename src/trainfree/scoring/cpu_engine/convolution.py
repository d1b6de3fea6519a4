"""Convolutions on the CPU, with what surrounds them in the engine done on the way.

Images have channels last, (B, height, width, C). While an image is in cache, its ReLU is applied,
it is convolved, and its sums for batch normalisation are taken. 3 × 3 convolutions of stride one go
through Winograd's F(4 × 4, 3 × 3), with a quarter of the products; all others are sums of row
products over the window's rows. One thread, a fixed order of sums: the same bits every time.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled
from trainfree.scoring.cpu_engine.fused import Moments
from trainfree.scoring.cpu_engine.memory import empty, zeros
from trainfree.scoring.cpu_engine.simd import HALF, LANES, ROWS, multiply_rows
from trainfree.scoring.cpu_engine.tiles import (
    Made,
    add_moments,
    convolve_tiles,
    pad_image,
    tiles_a_group,
)
from trainfree.scoring.cpu_engine.winograd import POSITIONS, TILE, transform_weights

Floats = NDArray[Any]
"""float32 or float64."""
_FEWEST_PIXELS = 1024
"""Fewer are not worth the transform of the weights."""
_MOST_WEIGHTS, _PIXELS_AT_ONCE = 2**17, 8
"""For each pixel that is needed. Row products with 131 thousand take 1.05 of torch's time, with 524
thousand 2.3 to 3.0; with 74 thousand, but for rows of four pixels, 2.0."""
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
        convolve_tiles(x, _transformed(weight), relu, _scratch(x, outputs), made, nothing)
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
    convolve_tiles(x, weight, relu, _scratch(x, sum(outputs)), made, other)
    shape = x.shape[:3]
    return _finished(made, (*shape, outputs[0])), _finished(other, (*shape, outputs[1]))


def _unmade(pixels: int, outputs: int, dtype: Any) -> Made:
    # What is written beyond the last pixel is never read.
    flat = empty(((pixels + ROWS) * outputs,), dtype)
    return flat, zeros((outputs,), dtype), zeros((2, outputs), np.float64)


def _finished(made: Made, shape: tuple[int, ...]) -> tuple[Floats, Moments]:
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


def is_fast(shape: tuple[int, ...], outputs: int, geometry: tuple[int, int, int]) -> bool:
    """Whether :func:`convolve` takes maps (B, C, height, width) and is about as fast as torch.

    Row products read all weights for each row of pixels, so that these have to stay in the second
    cache, and make whole vectors of pixels of rows that are shorter. Parameters are those of
    :func:`can_tile`.
    """
    kernel, stride, padding = geometry
    width = (shape[3] + 2 * padding - kernel) // stride + 1
    made = max(width, _PIXELS_AT_ONCE) if kernel > 1 else width
    cost = outputs * shape[1] * kernel**2 * made
    rows = outputs % HALF == 0 and cost <= _MOST_WEIGHTS * width
    return rows or can_tile(shape, outputs, geometry)


def convolve_tiled(x: Floats, weight: Floats) -> Floats:
    """Return the convolution of (B, height, width, C) with 3 × 3 windows that `can_tile` allows."""
    outputs = weight.shape[0]
    flat, pivot, _ = _unmade(prod(x.shape[:3]), outputs, x.dtype)
    made, nothing = (flat, pivot, np.empty((0, 0))), _unmade(0, 0, x.dtype)
    convolve_tiles(x, _transformed(weight), False, _scratch(x, outputs), made, nothing)
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
    rows = -(-tiles_a_group(height, width) // ROWS) * ROWS
    # One vector more than needed keeps positions from falling onto the same lines of the cache.
    return (
        zeros((POSITIONS, rows * channels + LANES), x.dtype),
        zeros((POSITIONS, rows * outputs + LANES), x.dtype),
        zeros(((height + 2) * (width + 2) * channels,), x.dtype),
    )


def _transformed(weight: Floats) -> Floats:
    """Return G w Gᵀ for each pair of channels, (36, C, out), each position in panels."""
    outputs, channels = weight.shape[:2]
    result = empty((POSITIONS, channels, outputs), weight.dtype)
    taps = weight.transpose(2, 3, 1, 0).reshape(-1, channels, outputs)
    _transform_weights(_in_panels(taps), result.reshape(-1))
    return result


def _in_panels(matrices: Floats) -> Floats:
    """Return matrices, (count, rows, out), in one row, :data:`LANES` columns of each at a time.

    Products then read them from one end to the other.
    """
    count, rows, outputs = matrices.shape
    whole = outputs // LANES * LANES
    panels = matrices[..., :whole].reshape(count, rows, -1, LANES).swapaxes(1, 2)
    parts = (panels.reshape(count, -1), matrices[..., whole:].reshape(count, -1))
    return np.concatenate(parts, axis=1).reshape(-1)


@compiled(nogil=True)
def _transform_weights(weight: Floats, out: Floats) -> None:
    stride = out.shape[0] // POSITIONS
    for start in range(0, stride, LANES):
        transform_weights(weight, start, stride, out, start, stride - start)


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
        pad_image(x[image], padding, relu, padded)
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
            add_moments(out, image * size, size, pivot, sums)
