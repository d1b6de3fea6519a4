"""Convolutions and batch normalisation of groups are torch's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from buffers import DEVICE, Space, channels_first, channels_last, read, table_of
from torch.nn import functional as F

from trainfree.errors import TrainfreeError
from trainfree.scoring.gpu_kernels.convolution import convolve
from trainfree.scoring.gpu_kernels.launches import TILE, Convolution, Normalisation, width_of
from trainfree.scoring.gpu_kernels.normalisation import EPSILON, normalise

# channels in, out, side, stride, kernel, images, ReLU
CASES = [
    (3, 16, 8, 1, 3, 2, False),
    (16, 16, 8, 1, 3, 3, True),
    (16, 32, 8, 2, 3, 1, True),
    (16, 32, 4, 1, 1, 8, False),
    (64, 64, 5, 1, 3, 2, True),
    (8, 12, 6, 1, 3, 1, True),
    (12, 43, 5, 2, 3, 2, False),
    (43, 85, 4, 1, 1, 3, True),
    (85, 16, 3, 2, 1, 2, False),
    (128, 128, 2, 1, 3, 1, True),
    (48, 96, 1, 1, 3, 2, False),
]


def geometry_of(inputs, outputs, side, stride, kernel, relu, moments=True):
    widths = width_of(inputs), width_of(outputs)
    return Convolution(side, side + 1, kernel, stride, relu, moments, *widths)


def convolved(case, rows, precision="tf32", moments=True):
    """Return per row: the map, the weights, the result and the moments."""
    inputs, outputs, side, stride, kernel, images, relu = case
    rng = np.random.default_rng(0)
    maps, weights = Space(torch.float32), Space(torch.float32)
    height, width = -(-side // stride), -(-(side + 1) // stride)
    pixels = images * height * width
    tiles = -(-pixels // TILE)
    places, arrays = [], []
    for _ in range(rows):
        x = rng.standard_normal((images, side, side + 1, inputs), dtype=np.float32)
        w = rng.standard_normal((kernel**2, outputs, inputs), dtype=np.float32)
        arrays.append((x, w))
        left = maps.room(tiles * 2 * outputs) if moments else -1
        made = (maps.put(x), weights.put(w), maps.room(pixels * outputs), left)
        places.append((*made, inputs, outputs))
    buffer, drawn = maps.tensor(), weights.tensor()
    geometry = geometry_of(inputs, outputs, side, stride, kernel, relu, moments)
    convolve(table_of(places), geometry, buffer, drawn, images, precision)
    maps.check(buffer)
    weights.check(drawn)
    for (x, w), (_, _, result, left, *_) in zip(arrays, places, strict=True):
        y = read(buffer, result, images, height, width, outputs)
        yield x, w, y, read(buffer, left, tiles, 2, outputs) if moments else None


def expected(x, w, case):
    inputs, outputs, _, stride, kernel, _, relu = case
    weight = w.reshape(kernel, kernel, outputs, inputs).transpose(2, 3, 0, 1)
    source = channels_first(x)
    source = F.relu(source) if relu else source
    weight = torch.from_numpy(np.ascontiguousarray(weight)).to(torch.float64)
    return channels_last(F.conv2d(source, weight, stride=stride, padding=kernel // 2))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [1, 3])
def test_each_row_is_convolved_with_its_own_weights(case, rows):
    for x, w, y, moments in convolved(case, rows):
        exact = expected(x, w, case)
        scale = float(exact.abs().max())
        # A GPU's tensor cores round what they multiply to 11 bits; the interpreter does not.
        within = 2e-3 if DEVICE.type == "cuda" else 1e-6
        torch.testing.assert_close(y.double(), exact, rtol=0, atol=within * scale)
        flat = y.double().reshape(-1, y.shape[-1])
        for tile, (sums, squares) in zip(flat.split(TILE), moments, strict=True):
            size = len(tile)
            torch.testing.assert_close(sums.double(), tile.sum(0), rtol=1e-5, atol=1e-4)
            spread = tile.var(0, correction=0) * size
            torch.testing.assert_close(squares.double(), spread, rtol=1e-4, atol=1e-6)


def test_other_rows_change_no_bit():
    alone, *_ = convolved(CASES[1], 1)
    first, *others = convolved(CASES[1], 3)
    assert len(others) == 2
    assert torch.equal(alone[2], first[2])
    assert torch.equal(alone[3], first[3])


@pytest.mark.parametrize("precision", ["float32", "tf32x3"])
def test_other_precisions_are_float32s(precision):
    case = CASES[1]
    for x, w, y, _ in convolved(case, 2, precision):
        exact = expected(x, w, case)
        torch.testing.assert_close(y.double(), exact, rtol=0, atol=3e-6 * float(exact.abs().max()))


def test_moments_are_left_only_where_they_are_wanted():
    for x, w, y, _ in convolved(CASES[1], 2, moments=False):
        torch.testing.assert_close(y.double(), expected(x, w, CASES[1]), rtol=0, atol=0.1)


def test_not_a_number_stays_one_behind_a_relu():
    maps, weights = Space(torch.float32), Space(torch.float32)
    x = np.full((1, 2, 3, 16), np.nan, np.float32)
    row = (maps.put(x), weights.put(np.ones((1, 16, 16), np.float32)), maps.room(96), -1, 16, 16)
    buffer = maps.tensor()
    geometry = geometry_of(16, 16, 2, 1, 1, relu=True, moments=False)
    convolve(table_of([row]), geometry, buffer, weights.tensor(), 1, "tf32")
    assert read(buffer, row[2], 96).isnan().all()


def test_a_map_too_large_to_count_is_refused():
    geometry = Convolution(4096, 4096, 3, 1, False, False, width_of(3), width_of(64))
    nothing = torch.zeros(1)
    with pytest.raises(TrainfreeError, match="smaller batch"):
        convolve(table_of([(0,) * 6]), geometry, nothing, nothing, 2, "tf32")


@pytest.mark.parametrize("channels", [3, 16, 43, 64, 85, 128])
@pytest.mark.parametrize(("images", "side"), [(1, 1), (1, 4), (3, 8), (5, 7)])
def test_statistics_are_those_of_all_pixels(channels, images, side):
    rng = np.random.default_rng(1)
    pixels = images * side * side
    values = 5 + rng.standard_normal((2, pixels, channels))
    values[0, :, 0] = 3  # a channel without variance
    maps, rows = Space(torch.float32), []
    for value in values:
        tiles = np.array_split(value, range(TILE, pixels, TILE))
        moments = [(tile.sum(0), ((tile - tile.mean(0)) ** 2).sum(0)) for tile in tiles]
        place = maps.put(np.array(moments, np.float32))
        rows.append((place, maps.room(2 * channels), channels))
    buffer = maps.tensor()
    normalise(table_of(rows), Normalisation(side * side, width_of(channels)), buffer, images)
    maps.check(buffer)
    for value, (_, place, _) in zip(values, rows, strict=True):
        mean, inverse = read(buffer, place, 2, channels).double().numpy()
        np.testing.assert_allclose(mean, value.mean(0), rtol=1e-6)
        np.testing.assert_allclose(inverse, 1 / np.sqrt(value.var(0) + EPSILON), rtol=2e-5)
