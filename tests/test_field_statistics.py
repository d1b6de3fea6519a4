"""nDCG@k, precision@k and best-of-draws against independent oracles."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from trainfree.analysis.statistics.exponential_gain import (
    best_of_draws,
    ndcg_at,
    precision_at,
    rank_sum,
    spread_of_orders,
    with_infinite,
)

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("k", [1, 7, 50, 400, 1000])
@pytest.mark.parametrize("distinct", [4, 30, 10_000])
def test_ndcg_is_that_of_scikit_learn_with_and_without_ties(k, distinct):
    accuracy = 94 - 40 * RNG.beta(1.2, 6, 400)
    score = RNG.integers(distinct, size=400).astype(float) + 0.05 * distinct * (accuracy > 90)
    oracle = ndcg_score([2.0 ** (accuracy - 94) - 2.0**-94], [score], k=min(k, 400))
    assert ndcg_at(score, accuracy, k) == pytest.approx(oracle, rel=1e-12)


def test_ndcg_is_the_mean_over_all_orders_of_equal_scores():
    accuracy = np.array([3.0, 1.0, 2.0, 2.5, 0.5])
    score = np.array([1.0, 2.0, 1.0, 2.0, 1.0])
    found = []
    for order in permutations(range(5)):
        if all(score[one] >= score[two] for one, two in pairwise(order)):
            gains = [2 ** accuracy[place] - 1 for place in order]
            ideal = sorted((2**value - 1 for value in accuracy), reverse=True)
            dcg, best = (
                sum(gain / math.log2(1 + j) for j, gain in enumerate(row[:3], 1))
                for row in (gains, ideal)
            )
            found.append(dcg / best)
    assert ndcg_at(score, accuracy, 3) == pytest.approx(np.mean(found), rel=1e-12)


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 10**6))
def test_a_sample_stands_for_copies_of_itself(n, copies, seed):
    rng = np.random.default_rng(seed)
    score, accuracy = rng.integers(9, size=n).astype(float), rng.uniform(20, 90, n)
    of_copies = ndcg_at(np.repeat(score, copies), np.repeat(accuracy, copies), k=20)
    assert ndcg_at(score, accuracy, k=20, population=n * copies) == pytest.approx(of_copies)


def test_the_estimate_from_samples_has_little_bias_where_the_sample_is_large():
    rng = np.random.default_rng(0)
    accuracy = 94 - 40 * rng.beta(1.2, 6, 9000)
    score = accuracy + rng.normal(0, 2, 9000)
    whole = ndcg_at(score, accuracy)
    drawn = [rng.permutation(9000)[:1000] for _ in range(30)]
    estimates = [ndcg_at(score[d], accuracy[d], population=9000) for d in drawn]
    naive = [ndcg_at(score[d], accuracy[d]) for d in drawn]
    assert abs(np.mean(estimates) - whole) < 0.02 < abs(np.mean(naive) - whole)


def test_the_order_of_ties_moves_ndcg_and_without_ties_nothing_does():
    accuracy = RNG.uniform(80, 90, 300)
    score = RNG.integers(3, size=300).astype(float)
    gain, found = [2.0 ** (accuracy - 94) - 2.0**-94], []
    for _ in range(200):  # jitter breaks the ties at random
        jitter = score + RNG.uniform(0, 0.5, 300)
        found.append(ndcg_score(gain, [jitter]))
    spread = spread_of_orders(score, accuracy, np.random.default_rng(1), orders=200)
    assert spread == pytest.approx(np.std(found), rel=0.2)
    assert spread_of_orders(accuracy, accuracy, np.random.default_rng(1)) == 0.0


def test_ndcg_of_no_gain_is_not_defined():
    assert math.isnan(ndcg_at(np.arange(3.0), np.zeros(3)))


def test_precision_counts_the_common_part_of_two_heads():
    accuracy = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    assert precision_at(np.array([5.0, 1.0, 4.0, 3.0, 2.0]), accuracy, 2) == 0.5
    # Two of four equal scores are drawn at random: each good one with probability 1/2.
    assert precision_at(np.array([1.0, 1.0, 1.0, 1.0, 0.0]), accuracy, 2) == 0.5
    with pytest.raises(ValueError, match="k ≤ 5, found 6"):
        precision_at(accuracy, accuracy, 6)


def test_the_best_of_a_draw_is_looked_for_in_the_draw_alone():
    score, accuracy = np.array([9.0, 3.0, 3.0, 1.0]), np.array([10.0, 20.0, 40.0, 80.0])
    draws = [np.array([1, 3]), np.array([1, 2, 3]), np.arange(4)]
    np.testing.assert_array_equal(best_of_draws(score, accuracy, draws), [20.0, 30.0, 10.0])


def test_what_is_not_finite_has_the_worst_rank_or_the_worst_finite_score():
    scores = np.array([2.0, -np.inf, np.nan, 1.0, np.inf])
    np.testing.assert_array_equal(with_infinite(scores, "worst finite"), [2, 1, 1, 1, 1])
    np.testing.assert_array_equal(
        with_infinite(scores, "worst rank"), [2, -np.inf, np.nan, 1, np.nan]
    )
    assert np.isnan(with_infinite(np.full(3, np.nan), "worst finite")).all()


def test_ranks_are_summed_as_they_are_or_as_logarithms():
    one, two = np.array([1.0, 2.0, 3.0]), np.array([3.0, 3.0, 1.0])
    np.testing.assert_allclose(
        rank_sum([one, two], logarithmic=True), np.log([1 / 3 * 2.5 / 3, 2 / 3 * 2.5 / 3, 1 / 3])
    )
    np.testing.assert_allclose(
        rank_sum([one, two], logarithmic=False), np.array([3.5, 4.5, 4.0]) / 3
    )
