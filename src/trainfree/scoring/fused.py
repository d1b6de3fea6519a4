"""The passes over memory of the CPU engine, compiled.

Feature maps are channels last and seen as rows of channels, (B·height·width, C). Each function
reads every number once. All sums run in a fixed order on one thread, so results are the same bits
every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[Any]
"""float32 or float64."""

MOST_TERMS = 3
"""Summands of one pass: as many edges as enter a cell node."""
_LANES = 256
_ROWS_A_BLOCK = 64


def normalisation(x: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """Return mean and scale of each channel: (x − mean) · scale has mean 0 and variance 1.

    Parameters
    ----------
    x
        Rows of channels, (rows, C).
    epsilon
        Added to the variance, as batch normalisation does.
    """
    mean, variance = _moments(x)
    scale = 1.0 / np.sqrt(variance + epsilon)
    return mean.astype(x.dtype), scale.astype(x.dtype)


def combine(
    terms: Sequence[tuple[Floats, Floats | None, Floats | None]],
    total: Floats | None,
    rectified: Floats | None,
    positive: NDArray[np.bool_] | None,
) -> None:
    """Write Σ (x − mean) · scale over the terms, its positive part, and where it is positive.

    Parameters
    ----------
    terms
        One to three (x, mean, scale): rows of channels, and one number a channel, or None for x
        as it is.
    total
        Receives the sum, (rows, C); None when nobody reads it.
    rectified
        Receives max(sum, 0); None when nobody reads it.
    positive
        Receives sum > 0; None when nobody reads it.
    """
    first = terms[0][0]
    rows, channels = first.shape
    lanes = _lanes(rows, channels)
    means = np.zeros((MOST_TERMS, channels), first.dtype)
    scales = np.ones((MOST_TERMS, channels), first.dtype)
    for place, (_, mean, scale) in enumerate(terms):
        if mean is not None and scale is not None:
            means[place], scales[place] = mean, scale
    xs = [x for x, _, _ in terms] + [None] * (MOST_TERMS - len(terms))
    maps: list[Any] = [
        None if x is None else x.reshape(-1, lanes) for x in (*xs, total, rectified, positive)
    ]
    _combine(means, scales, *maps)


def average_3x3(x: Floats, out: Floats) -> None:
    """Write the mean over each 3 × 3 neighbourhood, the border's over what lies inside.

    Parameters
    ----------
    x, out
        Images with channels last, (B, height, width, C); at least two pixels each way.
    """
    _average_3x3(x, out)


def code_products(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return C Cᵀ for the binary code C, (B, D) → (B, B): units that are on in both images."""
    packed = np.packbits(positive, axis=1)
    spare = -packed.shape[1] % 8
    if spare:
        packed = np.pad(packed, ((0, 0), (0, spare)))
    return _common_bits(np.ascontiguousarray(packed).view(np.uint64))


@numba.njit(cache=True, nogil=True)
def _lanes(rows: int, channels: int) -> int:
    """Return how many numbers to treat as one row, so that the innermost loop is long enough."""
    together = max(1, _LANES // channels)
    return channels * (together if rows % together == 0 else 1)


@numba.njit(cache=True, nogil=True)
def _moments(x: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and biased variance of each channel.

    Sums are of differences from the first row, in short blocks, so that a mean that is large
    beside the deviation costs no digits.
    """
    rows, channels = x.shape
    lanes = _lanes(rows, channels)
    wide = x.reshape(x.size // lanes, lanes)
    pivot, part, part_squares = (
        np.empty(lanes, x.dtype),
        np.empty(lanes, x.dtype),
        np.empty(lanes, x.dtype),
    )
    for lane in range(lanes):
        pivot[lane] = x[0, lane % channels]
    sums, squares = np.zeros(lanes), np.zeros(lanes)
    for start in range(0, wide.shape[0], _ROWS_A_BLOCK):
        part[:] = 0
        part_squares[:] = 0
        for row in range(start, min(start + _ROWS_A_BLOCK, wide.shape[0])):
            for lane in range(lanes):
                difference = wide[row, lane] - pivot[lane]
                part[lane] += difference
                part_squares[lane] += difference * difference
        for lane in range(lanes):
            sums[lane] += part[lane]
            squares[lane] += part_squares[lane]
    mean, variance = np.zeros(channels), np.zeros(channels)
    for lane in range(lanes):
        mean[lane % channels] += sums[lane] / rows
        variance[lane % channels] += squares[lane] / rows
    for channel in range(channels):
        variance[channel] = max(variance[channel] - mean[channel] * mean[channel], 0.0)
        mean[channel] += x[0, channel]
    return mean, variance


@numba.njit(cache=True, nogil=True)
def _combine(
    means: Floats,
    scales: Floats,
    a: Floats,
    b: Floats | None,
    c: Floats | None,
    total: Floats | None,
    rectified: Floats | None,
    positive: NDArray[np.bool_] | None,
) -> None:
    """Combine maps that are seen as long rows; compiled anew for each pattern of None."""
    length, lanes = a.shape
    channels = means.shape[1]
    centre, factor = np.empty((MOST_TERMS, lanes), a.dtype), np.empty((MOST_TERMS, lanes), a.dtype)
    for term in range(MOST_TERMS):
        for lane in range(lanes):
            centre[term, lane] = means[term, lane % channels]
            factor[term, lane] = scales[term, lane % channels]
    centre_a, centre_b, centre_c = centre[0], centre[1], centre[2]
    factor_a, factor_b, factor_c = factor[0], factor[1], factor[2]
    zero = a.dtype.type(0)
    for row in range(length):
        for k in range(lanes):
            value = (a[row, k] - centre_a[k]) * factor_a[k]
            if b is not None:
                value += (b[row, k] - centre_b[k]) * factor_b[k]
            if c is not None:
                value += (c[row, k] - centre_c[k]) * factor_c[k]
            if total is not None:
                total[row, k] = value
            if rectified is not None:
                rectified[row, k] = value if value > zero else zero
            if positive is not None:
                positive[row, k] = value > zero


@numba.njit(cache=True, nogil=True)
def _average_3x3(x: Floats, out: Floats) -> None:
    images, height, width, channels = x.shape
    lanes = width * channels
    column = np.empty(lanes, x.dtype)  # sums of up to three rows
    for image in range(images):
        rows = x[image].reshape(height, lanes)
        means = out[image].reshape(height, lanes)
        for row in range(height):
            tall = 2 if row in (0, height - 1) else 3
            _add_rows(rows[max(row - 1, 0) : row + 2], column)
            _average_neighbours(column, channels, tall, means[row])


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


@intrinsic
def _population(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a 64-bit word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@numba.njit(cache=True, nogil=True)
def _common_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    images, length = words.shape
    common = np.empty((images, images), np.int64)
    for i in range(images):
        for j in range(i, images):
            bits = np.uint64(0)
            for k in range(length):
                bits += _population(words[i, k] & words[j, k])  # type: ignore[call-arg]
            common[i, j] = bits
            common[j, i] = bits
    return common
