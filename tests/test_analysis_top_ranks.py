"""Measures of the head of a ranking, beside all orders that break ties."""

from __future__ import annotations

from itertools import pairwise, permutations
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.analysis.statistics.top_ranks import ndcg, top_precision

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6)


def orders(values):
    """All orders from the best to the worst in which equal ones may stand."""
    for order in permutations(range(len(values))):
        if all(values[a] >= values[b] for a, b in pairwise(order)):
            yield order


@given(PAIRS, st.sampled_from([0.1, 0.34, 0.5, 1.0]))
def test_precision_is_the_mean_over_all_orders(pairs, share):
    score, accuracy = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    count = ceil(share * len(score))
    shares = [
        len({*chosen[:count]} & {*best[:count]}) / count
        for chosen in orders(score)
        for best in orders(accuracy)
    ]
    assert top_precision(score, accuracy, share) == pytest.approx(np.mean(shares))


@given(PAIRS, st.sampled_from([0.1, 0.34, 0.5, 1.0]))
def test_ndcg_is_the_mean_over_all_orders(pairs, share):
    score, accuracy = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    if accuracy.min() == accuracy.max():
        assert np.isnan(ndcg(score, accuracy, share))
        return
    gain = [
        (sum(other < own for other in accuracy) + 0.5 * (sum(accuracy == own) - 1))
        / (len(accuracy) - 1)
        for own in accuracy
    ]
    count = ceil(share * len(score))

    def dcg(order):
        return sum(gain[arch] / log2(1 + j) for j, arch in enumerate(order[:count], 1))

    ideal = max(dcg(order) for order in permutations(range(len(gain))))
    expected = np.mean([dcg(order) for order in orders(score)]) / ideal
    assert ndcg(score, accuracy, share) == pytest.approx(expected)


def test_minus_infinity_ranks_lowest():
    score = np.array([-np.inf, -1e300, 3.0, 2.0])
    accuracy = np.array([90.0, 10.0, 20.0, 30.0])
    assert top_precision(score, accuracy, 0.25) == 0
    assert top_precision(np.array([9.0, 1.0, 2.0, 3.0]), accuracy, 0.5) == 1
