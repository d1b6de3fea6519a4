"""Different patterns of units are counted exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainfree.scoring.quantities import formulas
from trainfree.scoring.quantities.patterns import distinct_words

EDGES = [-(2**31), -1, 0, 1, 2**31 - 1]


@given(
    st.integers(1, 5).flatmap(
        lambda words: st.lists(
            st.lists(st.sampled_from(EDGES), min_size=words, max_size=words), min_size=1
        )
    )
)
def test_as_many_as_different_rows(rows):
    assert distinct_words(torch.tensor(rows, dtype=torch.int32)) == len(set(map(tuple, rows)))


@pytest.mark.parametrize("images", [1, 31, 64, 65, 128])
def test_as_many_as_on_the_cpu(images):
    rng = np.random.default_rng(images)
    few = rng.random((40, images)) < 0.5
    codes = few[rng.integers(0, 40, 500)].T  # (images, units)
    words = -(-images // 32)
    bits = np.zeros((500, words * 32), np.uint8)
    bits[:, :images] = codes.T
    packed = np.packbits(bits, axis=1, bitorder="little").view(np.int32)
    expected = formulas.distinct_patterns([formulas.unit_words(codes)])
    assert distinct_words(torch.from_numpy(packed)) == expected


def test_no_units_have_no_patterns():
    assert distinct_words(torch.zeros((0, 4), dtype=torch.int32)) == 0
