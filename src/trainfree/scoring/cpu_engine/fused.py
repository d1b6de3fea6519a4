"""The passes over memory of the CPU engine, compiled.

Feature maps have channels last, (B, height, width, C). Each function reads every number once, row
of pixels by row of pixels, so that what belongs to a row stays in cache. All sums run in a fixed
order on one thread, so results are the same bits every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled
from trainfree.scoring.cpu_engine.memory import empty, zeros
from trainfree.scoring.cpu_engine.simd import LANES, population, sum_images

Floats = NDArray[Any]
"""float32 or float64."""

MOST_TERMS = 3
"""Summands of one pass: as many edges as enter a node of a NAS-Bench-201 cell."""
_BITS = 64
_SCALES = 512
"""Numbers that are scaled in one loop: six of each, for three maps, stay in the nearest cache."""


class Moments(NamedTuple):
    """Mean and biased variance of each channel, float64, (C,)."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


class Summand(NamedTuple):
    """A map that enters a sum: as it is, normalised, or averaged over 3 × 3 neighbourhoods.

    Parameters
    ----------
    x
        (B, height, width, C).
    moments
        Given, (x − mean) / √(variance + ε) is added.
    averaged
        Whether the mean over each pixel's neighbourhood is added, the border's over what lies
        inside; at least two pixels each way.
    """

    x: Floats
    moments: Moments | None = None
    averaged: bool = False


def moments_of(x: Floats) -> Moments:
    """Return the moments of a map, (B, height, width, C)."""
    mean, variance = np.zeros((2, x.shape[3]))
    _take_moments(x.reshape(-1, x.shape[3]), mean, variance)
    return Moments(mean, variance)


def combine(
    summands: Sequence[Summand],
    epsilon: float,
    total: Floats | None,
    codes: NDArray[np.uint64] | None,
) -> None:
    """Write the sum of one to three maps, and which of its units are positive.

    Parameters
    ----------
    epsilon
        Added to a variance, as batch normalisation does.
    total
        Receives the sum, (B, height, width, C); None when nobody reads it.
    codes
        Receives the signs as bits, in the shape of :func:`empty_codes`; None when no ReLU reads it.
    """
    first = summands[0].x
    _, height, width, channels = first.shape
    dtype = first.dtype
    pixels = _scaled_together(width, channels)
    centres = zeros((MOST_TERMS, pixels, channels), dtype)
    factors = empty((MOST_TERMS, pixels, channels), dtype)
    factors[...] = 1
    for place, (_, moments, _) in enumerate(summands):
        if moments is not None:
            centres[place] = moments.mean.astype(dtype)
            factors[place] = (1.0 / np.sqrt(moments.variance + epsilon)).astype(dtype)
    maps = [summand.x for summand in summands]
    averaged = np.array([summand.averaged for summand in summands])
    scales = (centres.reshape(-1), factors.reshape(-1))
    sums = np.empty((0, 0, 0, 0), dtype) if total is None else total
    pieces = np.empty((0, 0), np.uint16) if codes is None else codes.view(np.uint16)
    if width * channels % LANES:
        maps = [average(x, 3, 1, 1) if so else x for x, so in zip(maps, averaged, strict=True)]
        _combine_ragged(np.stack(maps), scales, sums, pieces)
        return
    size = height * width * channels
    scratch = (empty((MOST_TERMS * size,), dtype), empty((size,), dtype))
    a, b, c = maps + maps[:1] * (MOST_TERMS - len(maps))
    _combine(a, b, c, averaged, scales, scratch, sums, pieces)


def _scaled_together(width: int, channels: int) -> int:
    """Return how many pixels of a row have scales written out: few, but they fill vectors."""
    pixels = width
    while pixels % 2 == 0 and pixels * channels > _SCALES and pixels // 2 * channels % LANES == 0:
        pixels //= 2
    return pixels


def average(x: Floats, kernel: int, stride: int, padding: int) -> Floats:
    """Return the means over windows of a map, (B, height, width, C); padding is not averaged over.

    Raises
    ------
    ValueError
        If a window is larger than the padded image.
    """
    images, height, width, channels = x.shape
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    if min(sides) < 1:
        raise ValueError(f"a {kernel} × {kernel} window does not fit into {height} × {width}")
    out = empty((images, *sides, channels), x.dtype)
    if (kernel, stride, padding) == (3, 1, 1) and min(height, width) > 1:
        _average_3x3(x, out)
    elif (kernel, stride, padding) == (2, 2, 0) and height % 2 == 0 and width % 2 == 0:
        _average_squares(x, out)
    else:
        _average_windows(x, kernel, stride, padding, out)
    return out


def empty_codes(shape: tuple[int, int, int, int]) -> NDArray[np.uint64]:
    """Return zeros for the codes of a map of ``shape``, (B, words); spare bits stay zero."""
    images, height, width, channels = shape
    pieces = height * _pieces(width * channels)
    return np.zeros((images, -(-pieces * LANES // _BITS)), np.uint64)


def code_products(codes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return C Cᵀ for packed codes, (B, words) → (B, B): units that are on in both images."""
    return _common_bits(codes)


@compiled(nogil=True)
def _pieces(numbers: int) -> int:
    """Return how many vectors hold a row of numbers."""
    return (numbers + LANES - 1) // LANES


@compiled(nogil=True)
def _combine(
    a: Floats,
    b: Floats,
    c: Floats,
    averaged: NDArray[np.bool_],
    scales: tuple[Floats, Floats],
    scratch: tuple[Floats, Floats],
    total: Floats,
    codes: NDArray[np.uint16],
) -> None:
    """Combine the first ``len(averaged)`` of three maps; empty outputs are not written.

    Whole images are handed to the innermost loop: what Python-like code costs for each of them is
    little beside it, for each row of pixels it would not be.
    """
    images, height, width, channels = a.shape
    lanes = width * channels
    size, pieces, count = height * lanes, height * lanes // LANES, averaged.shape[0]
    maps = (a.reshape(-1), b.reshape(-1), c.reshape(-1))
    centres, factors = scales
    period = centres.shape[0] // (MOST_TERMS * LANES)
    means, spare = scratch
    flat_total, flat_codes = total.reshape(-1), codes.reshape(-1)
    spare_codes, column = np.empty(pieces, np.uint16), np.empty(lanes, a.dtype)
    for image in range(images):
        here = image * size
        for place in range(count):
            if averaged[place]:
                _average_image(
                    maps[place][here : here + size].reshape(height, lanes),
                    channels,
                    column,
                    means[place * size : (place + 1) * size].reshape(height, lanes),
                )
        x, at_x = (means, 0) if averaged[0] else (maps[0], here)
        y, at_y, z, at_z = x, at_x, x, at_x
        if count > 1:
            y, at_y = (means, size) if averaged[1] else (maps[1], here)
        if count > 2:
            z, at_z = (means, 2 * size) if averaged[2] else (maps[2], here)
        line, at_line = (flat_total, here) if total.size else (spare, 0)
        code, at_code = spare_codes, 0
        if codes.size:
            code, at_code = flat_codes, image * codes.shape[1]
        if count == 1:
            sum_images(
                (x,), (at_x,), centres, factors, line, at_line, code, at_code, pieces, period
            )
        elif count == 2:
            sum_images(
                (x, y), (at_x, at_y), centres, factors,
                line, at_line, code, at_code, pieces, period,
            )  # fmt: skip
        else:
            sum_images(
                (x, y, z), (at_x, at_y, at_z), centres, factors,
                line, at_line, code, at_code, pieces, period,
            )  # fmt: skip


@compiled(nogil=True)
def _combine_ragged(
    maps: Floats, scales: tuple[Floats, Floats], total: Floats, codes: NDArray[np.uint16]
) -> None:
    """Combine maps, (count, B, height, width, C), whose rows of pixels do not fill vectors."""
    count, images, height, width, channels = maps.shape
    lanes = width * channels
    rows = maps.reshape(count, images, height, lanes)
    sums = total.reshape(images, height, lanes) if total.size else rows[0]
    centres, factors = scales
    for image in range(images):
        for row in range(height):
            first = row * _pieces(lanes)
            for k in range(lanes):
                value = (rows[0, image, row, k] - centres[k]) * factors[k]
                for place in range(1, count):
                    at = place * lanes + k
                    value += (rows[place, image, row, k] - centres[at]) * factors[at]
                if total.size:
                    sums[image, row, k] = value
                if codes.size and value > 0:
                    codes[image, first + k // LANES] |= np.uint16(1 << (k % LANES))


@compiled(nogil=True)
def _take_moments(pixels: Floats, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    """Add up, pixel by pixel in float64, numbers and then their squared distances from the mean."""
    count, channels = pixels.shape
    for row in range(count):
        pixel = pixels[row]
        for k in range(channels):
            mean[k] += np.float64(pixel[k])
    for k in range(channels):
        mean[k] /= count
    for row in range(count):
        pixel = pixels[row]
        for k in range(channels):
            difference = np.float64(pixel[k]) - mean[k]
            variance[k] += difference * difference
    for k in range(channels):
        variance[k] /= count


@compiled(nogil=True)
def _average_squares(x: Floats, out: Floats) -> None:
    """Write the means over squares of two by two pixels; sides are even."""
    images, height, width, channels = out.shape
    share, zero = x.dtype.type(0.25), x.dtype.type(0)
    rows, targets = x.reshape(-1, 2, width, 2, channels), out.reshape(-1, width, channels)
    for row in range(images * height):
        above, below, target = rows[row, 0], rows[row, 1], targets[row]
        for pixel in range(width):
            for k in range(channels):
                total = ((zero + above[pixel, 0, k]) + above[pixel, 1, k]) + below[pixel, 0, k]
                target[pixel, k] = (total + below[pixel, 1, k]) * share


@compiled(nogil=True)
def _average_windows(x: Floats, kernel: int, stride: int, padding: int, out: Floats) -> None:
    images, height, width, _ = x.shape
    for image in range(images):
        for row in range(out.shape[1]):
            top = row * stride - padding
            rows = range(max(top, 0), min(top + kernel, height))
            for column in range(out.shape[2]):
                left = column * stride - padding
                columns = range(max(left, 0), min(left + kernel, width))
                pixel = out[image, row, column]
                pixel[:] = 0
                for i in rows:
                    for j in columns:
                        source = x[image, i, j]
                        for k in range(pixel.shape[0]):
                            pixel[k] += source[k]
                share = x.dtype.type(1) / x.dtype.type(len(rows) * len(columns))
                for k in range(pixel.shape[0]):
                    pixel[k] *= share


@compiled(nogil=True)
def _average_3x3(x: Floats, out: Floats) -> None:
    images, height, width, channels = x.shape
    lanes = width * channels
    column = np.empty(lanes, x.dtype)
    for image in range(images):
        _average_image(
            x[image].reshape(height, lanes), channels, column, out[image].reshape(height, lanes)
        )


@compiled(nogil=True)
def _average_image(rows: Floats, channels: int, column: Floats, out: Floats) -> None:
    """Write the means over the neighbourhoods of each pixel."""
    height = rows.shape[0]
    for row in range(height):
        tall = 2 if row in (0, height - 1) else 3
        _add_rows(rows[max(row - 1, 0) : row + 2], column)
        _average_neighbours(column, channels, tall, out[row])


@numba.njit(inline="always")
def _add_rows(rows: Floats, out: Floats) -> None:
    """Write the sum of two or three rows."""
    # Rows and slices rather than shifted indices: an index that could be negative is looked at
    # one by one, and the loop is not vectorised.
    first, second = rows[0], rows[1]
    if rows.shape[0] == 2:
        for k in range(out.shape[0]):
            out[k] = first[k] + second[k]
    else:
        third = rows[2]
        for k in range(out.shape[0]):
            out[k] = (first[k] + second[k]) + third[k]


@numba.njit(inline="always")
def _average_neighbours(column: Floats, channels: int, tall: int, out: Floats) -> None:
    """Write, for each pixel of a row, the mean over it and its neighbours left and right."""
    inside = column.dtype.type(1 / (3 * tall))
    border = column.dtype.type(1 / (2 * tall))
    left, middle, right = (
        column[: -2 * channels],
        column[channels:-channels],
        column[2 * channels :],
    )
    target = out[channels:-channels]
    for k in range(target.shape[0]):
        target[k] = ((left[k] + middle[k]) + right[k]) * inside
    first, last = out[:channels], out[-channels:]
    one, two = column[:channels], column[channels : 2 * channels]
    before, end = column[-2 * channels : -channels], column[-channels:]
    for k in range(channels):
        first[k] = (one[k] + two[k]) * border
        last[k] = (before[k] + end[k]) * border


@compiled(nogil=True)
def _common_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    images, length = words.shape
    common = np.empty((images, images), np.int64)
    for i in range(images):
        for j in range(i, images):
            bits = np.uint64(0)
            for k in range(length):
                bits += population(words[i, k] & words[j, k])
            common[i, j] = bits
            common[j, i] = bits
    return common
