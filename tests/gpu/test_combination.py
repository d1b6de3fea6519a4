"""Sums, pooling and copies of groups are torch's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from buffers import Space, channels_first, channels_last, read, table_of
from torch.nn import functional as F

from trainfree.scoring.gpu_kernels.combination import combine
from trainfree.scoring.gpu_kernels.launches import (
    AVERAGED,
    MOST_TERMS,
    NORMALISED,
    OF_RELU,
    PLAIN,
    Combination,
    Copying,
    Pooling,
    width_of,
)
from trainfree.scoring.gpu_kernels.pooling import copy, pool

SUMS = [
    (),
    (PLAIN,),
    (NORMALISED, PLAIN | OF_RELU),
    (AVERAGED, NORMALISED | OF_RELU, AVERAGED | OF_RELU),
    (PLAIN, NORMALISED, AVERAGED, PLAIN, NORMALISED, AVERAGED, PLAIN, PLAIN),
]
DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def joined(x, how, statistics):
    source = channels_first(x)
    source = F.relu(source) if how & OF_RELU else source
    if how & AVERAGED:
        source = F.avg_pool2d(source, 3, 1, 1, count_include_pad=False)
    source = channels_last(source)
    if how & NORMALISED:
        mean, inverse = torch.from_numpy(statistics).double()
        source = (source - mean) * inverse
    return source


@pytest.mark.parametrize("channels", [3, 8, 12, 16, 43, 64, 85, 128])
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_codes(channels, images, dtype):
    rng = np.random.default_rng(2)
    height, width = 4, 5
    shape = (images, height, width, channels)
    size = int(np.prod(shape))
    maps, codes, rows, sums = Space(dtype), Space(torch.int8), [], []
    for number, hows in enumerate(SUMS):
        flow = dtype == torch.float64
        terms, total = [], torch.zeros(shape, dtype=torch.float64)
        for how in hows:
            x = rng.standard_normal(shape).astype(DTYPES[dtype])
            statistics = rng.random((2, channels)).astype(DTYPES[dtype])
            place = maps.put(statistics) if how & NORMALISED else -1
            terms += [maps.put(x), how, place]
            total += joined(x, how, statistics)
        result = -1 if number == 2 and not flow else maps.room(size)
        code = -1 if number == 1 or flow else codes.room(size)
        fill = [-1] * (3 * (MOST_TERMS - len(hows)))
        rows.append((result, code, channels, len(hows), *terms, *fill))
        sums.append(total)
    buffer, made = maps.tensor(), codes.tensor()
    geometry = Combination(height, width, True, width_of(channels))
    combine(table_of(rows), geometry, buffer, None if flow else made, images)
    maps.check(buffer)
    codes.check(made)
    for (result, code, *_), total in zip(rows, sums, strict=True):
        if result >= 0:
            within = 1e-13 if flow else 1e-5
            found = read(buffer, result, *shape).double()
            torch.testing.assert_close(found, total, rtol=within, atol=within)
        if code >= 0:
            far = total.abs() > 1e-4
            found = read(made, code, *shape)
            assert torch.equal(found[far], (total > 0).to(torch.int8)[far])
            assert set(found.unique().tolist()) <= {0, 1}


def test_rows_that_average_nothing_need_no_neighbours():
    """The kernel without averages gives the bits of the one with them."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 3, 3, 16)).astype(np.float32)
    found = []
    for averaged in (False, True):
        maps, codes = Space(torch.float32), Space(torch.int8)
        place, result, code = maps.put(x), maps.room(x.size), codes.room(x.size)
        row = (result, code, 16, 1, place, PLAIN, -1, *[-1] * 21)
        buffer, made = maps.tensor(), codes.tensor()
        combine(table_of([row]), Combination(3, 3, averaged, width_of(16)), buffer, made, 2)
        found.append((read(buffer, result, x.size), read(made, code, x.size)))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


# kernel, stride, padding, average, ReLU
POOLS = [
    (2, 2, 0, True, False),
    (3, 1, 1, True, True),
    (3, 2, 1, False, True),
    (3, 1, 1, False, False),
    (2, 2, 0, False, False),
]


@pytest.mark.parametrize("channels", [3, 12, 16, 43, 64, 85])
@pytest.mark.parametrize("form", POOLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_pools(channels, form, dtype):
    kernel, stride, padding, average, relu = form
    rng, images = np.random.default_rng(4), 2
    maps, rows, sources = Space(dtype), [], []
    for _ in range(2):
        x = rng.standard_normal((images, 6, 5, channels)).astype(DTYPES[dtype])
        sources.append(x)
        size = [(side + 2 * padding - kernel) // stride + 1 for side in (6, 5)]
        rows.append((maps.put(x), maps.room(images * size[0] * size[1] * channels), channels))
    buffer = maps.tensor()
    pool(table_of(rows), Pooling(6, 5, *form, width_of(channels)), buffer, images)
    maps.check(buffer)
    for x, (_, result, _) in zip(sources, rows, strict=True):
        source = channels_first(x)
        source = F.relu(source) if relu else source
        if average:
            exact = F.avg_pool2d(source, kernel, stride, padding, count_include_pad=False)
        else:
            exact = F.max_pool2d(source, kernel, stride, padding)
        exact = channels_last(exact)
        found = read(buffer, result, *exact.shape).double()
        within = 1e-14 if dtype == torch.float64 else 1e-6
        torch.testing.assert_close(found, exact, rtol=within, atol=within)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("read_of", "copied"), [(16, 16), (43, 42), (85, 85), (128, 128), (5, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_fill_their_part_alone(relu, read_of, copied, dtype):
    rng, images, first, whole = np.random.default_rng(5), 2, 7, 140
    pixels = images * 3 * 2
    x = rng.standard_normal((pixels, read_of)).astype(DTYPES[dtype])
    into = rng.standard_normal((pixels, whole)).astype(DTYPES[dtype])
    maps = Space(dtype)
    source, result = maps.put(x), maps.put(into)
    buffer, row = maps.tensor(), (source, result, read_of, whole, first, copied)
    copy(table_of([row]), Copying(3, 2, relu, False, width_of(copied)), buffer, images)
    into[:, first : first + copied] = np.maximum(x[:, :copied], 0) if relu else x[:, :copied]
    assert np.array_equal(read(buffer, result, pixels, whole).numpy(), into)
    assert np.array_equal(read(buffer, source, pixels, read_of).numpy(), x)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("channels", [5, 16, 128])
@pytest.mark.parametrize("dtype", DTYPES)
def test_shifted_copies_are_moved_by_a_pixel(relu, channels, dtype):
    images, height, width = 3, 4, 3
    x = np.random.default_rng(6).standard_normal((images, height, width, channels))
    x = x.astype(DTYPES[dtype])
    maps = Space(dtype)
    rows = [
        (maps.put(each), maps.room(x.size), channels, channels, 0, channels) for each in (x, -x)
    ]
    buffer = maps.tensor()
    copy(table_of(rows), Copying(height, width, relu, True, width_of(channels)), buffer, images)
    maps.check(buffer)
    for each, (_, result, *_) in zip((x, -x), rows, strict=True):
        expected = np.zeros_like(each)
        expected[:, :-1, :-1] = np.maximum(each[:, 1:, 1:], 0) if relu else each[:, 1:, 1:]
        assert np.array_equal(read(buffer, result, *x.shape).numpy(), expected)
