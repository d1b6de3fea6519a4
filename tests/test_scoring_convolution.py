"""The compiled convolution against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trainfree.scoring.cpu_engine import convolution
from trainfree.scoring.cpu_engine.convolution import (
    can_convolve,
    convolve,
    convolve_both,
    convolve_plainly,
    is_fast,
)


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def plainly(x, weight, stride, padding, relu):
    image = torch.from_numpy(x).permute(0, 3, 1, 2).double()
    made = F.conv2d(
        F.relu(image) if relu else image,
        torch.from_numpy(weight).double(),
        stride=stride,
        padding=padding,
    )
    return made.permute(0, 2, 3, 1).numpy()


CASES = {
    "tiles, rows of an image": ((3, 32, 32, 16), 16, (3, 1, 1)),
    "tiles, a long row": ((1, 8, 128, 8), 24, (3, 1, 1)),
    "tiles, a half vector": ((4, 16, 16, 8), 8, (3, 1, 1)),
    "tiles, half vectors behind whole ones": ((5, 16, 16, 24), 40, (3, 1, 1)),
    "tiles, groups that end early": ((7, 16, 16, 16), 32, (3, 1, 1)),
    "tiles, widening": ((5, 16, 8, 32), 64, (3, 1, 1)),
    "tiles of whole images": ((65, 4, 4, 16), 16, (3, 1, 1)),
    "too few pixels for tiles": ((2, 8, 8, 64), 64, (3, 1, 1)),
    "sides that tiles do not fill": ((3, 30, 30, 16), 16, (3, 1, 1)),
    "stem": ((3, 32, 32, 3), 16, (3, 1, 1)),
    "stem, a half vector": ((3, 32, 32, 3), 24, (3, 1, 1)),
    "stride, a half vector": ((3, 16, 16, 24), 56, (3, 2, 1)),
    "pixels, a half vector": ((3, 8, 8, 40), 8, (1, 1, 0)),
    "stride": ((3, 16, 16, 16), 32, (3, 2, 1)),
    "stride, odd sides": ((3, 9, 7, 5), 16, (3, 2, 1)),
    "pixels": ((3, 8, 8, 32), 16, (1, 1, 0)),
    "pixels in short rows": ((2, 8, 8, 16), 48, (1, 1, 0)),
    "pixels with stride": ((2, 9, 9, 16), 16, (1, 2, 0)),
    "wide window": ((2, 8, 8, 4), 16, (5, 1, 2)),
    "one pixel": ((1, 1, 1, 1), 16, (1, 1, 0)),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolution_and_moments_equal_torch(case, relu, dtype, tolerance):
    shape, outputs, (kernel, stride, padding) = case
    x, weight = numbers(shape, 1, dtype), numbers((outputs, shape[3], kernel, kernel), 2, dtype)
    expected = plainly(x, weight, stride, padding, relu)
    size = np.abs(expected).max()
    before = x.copy()
    made, moments = convolve(x, weight, stride, padding, relu)
    assert made.dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(made, expected, rtol=0, atol=tolerance * size)
    axes = (0, 1, 2)
    np.testing.assert_allclose(moments.mean, expected.mean(axes), atol=10 * tolerance * size)
    np.testing.assert_allclose(
        moments.variance, expected.var(axes), rtol=1e-4, atol=tolerance * size**2
    )
    if not relu:
        plain = convolve_plainly(x, weight, stride, padding)
        np.testing.assert_allclose(plain, expected, rtol=0, atol=tolerance * size)


@given(
    st.integers(1, 4), st.integers(1, 13), st.integers(1, 13), st.integers(1, 20),
    st.sampled_from([(3, 1, 1), (1, 1, 0), (3, 2, 1), (2, 2, 0)]), st.booleans(),
)  # fmt: skip
def test_any_size_equals_torch(images, height, width, channels, geometry, relu):
    kernel, stride, padding = geometry
    if min(height, width) + 2 * padding < kernel:
        return
    x, weight = numbers((images, height, width, channels)), numbers((16, channels, kernel, kernel))
    expected = plainly(x, weight, stride, padding, relu)
    made, _ = convolve(x, weight, stride, padding, relu)
    np.testing.assert_allclose(made, expected, atol=1e-12)


def test_tiles_and_windows_agree(monkeypatch):
    x, weight = numbers((4, 16, 16, 32), 3), numbers((32, 32, 3, 3), 4)
    tiled, moments = convolve(x, weight, 1, 1, relu=True)
    monkeypatch.setattr(convolution, "_FEWEST_PIXELS", 10**9)
    plain, plain_moments = convolve(x, weight, 1, 1, relu=True)
    assert (tiled != plain).any()  # two different computations
    np.testing.assert_allclose(tiled, plain, atol=1e-11)
    np.testing.assert_allclose(moments.mean, plain_moments.mean, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "outputs"),
    [
        ((5, 16, 16, 24), (8, 40)),
        ((4, 32, 32, 16), (16, 16)),
        ((3, 32, 32, 48), (48, 40)),  # together they are multiplied by half groups of tiles
        ((17, 12, 12, 48), (40, 48)),  # groups of nine tiles, which have no half
    ],
)
def test_two_convolutions_of_one_map_are_those_of_each(shape, outputs, dtype):
    x = numbers(shape, 3, dtype)
    weights = [numbers((count, shape[3], 3, 3), 4 + place) for place, count in enumerate(outputs)]
    first, second = (weight.astype(dtype) for weight in weights)
    both = convolve_both(x, first, second, relu=True)
    for (made, moments), weight in zip(both, (first, second), strict=True):
        alone, its = convolve(x, weight, 1, 1, relu=True)
        np.testing.assert_array_equal(made, alone)  # the same bits
        np.testing.assert_array_equal(moments.mean, its.mean)
        np.testing.assert_array_equal(moments.variance, its.variance)


def test_nothing_in_gives_exactly_nothing_out():
    """Dead branches: a ReLU of zeros must be off, not on by a rounding error."""
    made, moments = convolve(np.zeros((8, 16, 16, 16)), numbers((16, 16, 3, 3)), 1, 1, relu=True)
    assert not made.any()
    assert not moments.variance.any()


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_moments_hold_their_digits_beside_a_large_mean(offset):
    x = (numbers((16, 16, 16, 16), 5) + offset).astype(np.float32)
    identity = np.eye(16, dtype=np.float32).reshape(16, 16, 1, 1)
    made, moments = convolve(x, identity, 1, 0, relu=False)
    np.testing.assert_array_equal(made, x)
    exact = x.astype(np.longdouble)
    np.testing.assert_allclose(
        moments.mean, exact.mean((0, 1, 2)).astype(float), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(moments.variance, exact.var((0, 1, 2)).astype(float), rtol=2e-5)


def test_the_same_bits_every_time_and_for_images_in_any_company():
    x, weight = numbers((12, 16, 16, 16), 6, np.float32), numbers((16, 16, 3, 3), 7, np.float32)
    made, _ = convolve(x, weight, 1, 1, relu=True)
    again, _ = convolve(x, weight, 1, 1, relu=True)
    np.testing.assert_array_equal(made, again)
    alone, _ = convolve(x[5:11], weight, 1, 1, relu=True)
    np.testing.assert_array_equal(made[5:11], alone)


@pytest.mark.parametrize(
    ("shape", "outputs", "geometry", "fast"),
    [
        ((128, 64, 32, 32), 64, (3, 2, 1), True),
        ((128, 64, 32, 32), 60, (3, 2, 1), False),  # no whole short vectors
        ((32, 512, 16, 16), 512, (3, 1, 1), True),  # tiled, however many weights
        ((32, 512, 16, 16), 512, (3, 2, 1), False),
        ((32, 256, 8, 8), 512, (1, 1, 0), True),
        ((32, 512, 8, 8), 512, (1, 1, 0), False),
        ((32, 64, 16, 16), 128, (3, 2, 1), True),
        ((32, 64, 8, 8), 128, (3, 2, 1), False),  # rows of four pixels
        ((32, 64, 8, 8), 64, (3, 2, 1), True),  # ImageNet-16-120 in NAS-Bench-201
    ],
)
def test_convolutions_with_many_weights_are_left_to_torch(shape, outputs, geometry, fast):
    assert is_fast(shape, outputs, geometry) == fast


def test_outputs_must_fill_half_vectors():
    assert can_convolve(np.empty((32, 5, 3, 3)))
    assert can_convolve(np.empty((24, 5, 3, 3)))
    assert not can_convolve(np.empty((20, 5, 3, 3)))
