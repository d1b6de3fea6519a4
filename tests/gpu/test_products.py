"""Products of codes are exact whole numbers, and bits of patterns are those of the codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from buffers import DEVICE, Space, read, table_of

from trainfree.scoring.gpu_kernels.launches import Packing, Product
from trainfree.scoring.gpu_kernels.products import multiply, pack


def codes_of(images, units):
    """Two rows' codes; guards lie behind them."""
    rng = np.random.default_rng(6)
    space = Space(torch.int8)
    arrays = [rng.integers(0, 2, (images, units)).astype(np.int8) for _ in range(3)]
    return space, arrays, [space.put(array) for array in arrays]


def aligned(units):
    return next(power for power in (16, 8, 4, 2, 1) if units % power == 0)


@pytest.mark.parametrize(
    ("images", "units"), [(1, 43), (5, 1), (16, 1000), (64, 2064), (128, 64), (131, 44), (70, 33)]
)
def test_products_are_added_to_both_sums(images, units):
    space, arrays, places = codes_of(images, units)
    buffer = space.tensor()
    sums = torch.full((2, 2, images, images), 5, dtype=torch.int32, device=DEVICE)
    # Two of the rows are of one architecture, and the last counts in one sum alone.
    counts = [(1, 1, 2), (1, 3, 6), (0, 0, 1)]
    exact = np.full(sums.shape, 5)
    for code, (place, once, official) in zip(arrays, counts, strict=True):
        product = code.astype(np.int64) @ code.T.astype(np.int64)
        exact[0, place] += once * product
        exact[1, place] += official * product
    rows = [(at, units, *count) for at, count in zip(places, counts, strict=True)]
    multiply(table_of(rows), Product(aligned(units)), buffer, sums, images)
    assert np.array_equal(sums.cpu().numpy(), exact)
    space.check(buffer)


@pytest.mark.parametrize("images", [1, 31, 32, 45])
@pytest.mark.parametrize("units", [1, 43, 640])
def test_bits_are_the_codes_columns(images, units):
    space, arrays, places = codes_of(images, units)
    words = -(-images // 32)
    patterns = Space(torch.int32)
    rows = [(at, units, patterns.room(units * words)) for at in places]
    buffer, made = space.tensor(), patterns.tensor()
    pack(table_of(rows), Packing(aligned(units)), buffer, made, images)
    space.check(buffer)
    patterns.check(made)
    for code, (_, _, result) in zip(arrays, rows, strict=True):
        padded = np.zeros((words * 32, units), np.uint8)
        padded[:images] = code
        bits = np.packbits(padded.T, axis=1, bitorder="little")
        exact = np.ascontiguousarray(bits).view(np.int32)
        assert np.array_equal(read(made, result, units, words).numpy(), exact)
