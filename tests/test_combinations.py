"""Combinations of proxies: what is declared, over a table, and over a history that grows."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from trainfree.combinations import COMBINATION_NAMES, load_combination, modules_of, proxies_of
from trainfree.combinations.declaration import Combination
from trainfree.combinations.history import History, follow, ordering_of
from trainfree.combinations.table import combine
from trainfree.errors import UnknownNameError
from trainfree.proxies import PROXY_NAMES

SIZE, MOST_PARTS = 12, 5
METHODS = {"mean": "average", "dense": "dense"}
SCORES = hnp.arrays(
    np.float64,
    (SIZE, MOST_PARTS),
    elements=st.sampled_from([-math.inf, -1.0, 0.0, 1.5, 2.0, 3.0, math.nan]),
)
TRACES = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=30)
NAMES = st.sampled_from(COMBINATION_NAMES)


def doubled_ranks(combination: Combination, scores: np.ndarray) -> list[list[int]]:
    """Twice SciPy's ranks by (architecture, part), as integers; 0 where a score is NaN."""
    ranks = np.zeros(scores.shape)
    for place, part in enumerate(combination.parts):
        known = ~np.isnan(scores[:, place])
        ranks[known, place] = 2 * rankdata(scores[known, place], METHODS[part.ties])
    return ranks.astype(int).tolist()


def naive_merits(combination: Combination, scores: np.ndarray) -> list[float]:
    """The order of the (architecture, part) scores of a history, in exact integers; NaN failed."""
    if combination.rule == "majority":
        merits = naive_balance(scores)
    else:
        joined = math.prod if combination.rule == "log_ranks" else sum
        merits = [joined(row) for row in doubled_ranks(combination, scores)]
    failed = np.isnan(scores).any(axis=1)
    return [math.nan if lost else float(merit) for lost, merit in zip(failed, merits, strict=True)]


def naive_balance(scores: np.ndarray) -> list[int]:
    balance = [0] * len(scores)
    for one, other in combinations(range(len(scores)), 2):
        if not np.isnan(scores[[one, other]]).any():
            votes = sum(
                np.sign(x - y) if x != y else 0 for x, y in zip(*scores[[one, other]], strict=True)
            )
            balance[one] += int(np.sign(votes))
            balance[other] -= int(np.sign(votes))
    return balance


def naive_leader(merits: list[float]) -> int:
    known = [place for place, merit in enumerate(merits) if not math.isnan(merit)]
    return max(known, key=lambda place: (merits[place], -place)) if known else 0


# ---------------------------------------------------------------- what is declared


@pytest.mark.parametrize("name", COMBINATION_NAMES)
def test_parts_are_proxies_and_what_is_combined_says_where_it_is_from(name):
    combination = load_combination(name)
    assert set(combination.proxies) <= set(PROXY_NAMES)
    assert len(set(combination.proxies)) == len(combination.parts) > 1
    assert combination.cite
    assert combination.summary
    assert name not in PROXY_NAMES
    assert proxies_of(name) == combination.proxies
    assert modules_of(name) == [f"trainfree.combinations.{name}"]


def test_a_proxy_is_its_own_only_part():
    assert proxies_of("naswot") == ("naswot",)
    assert modules_of("naswot") == []
    with pytest.raises(UnknownNameError, match="combination 'aznas'; did you mean 'az_nas'"):
        load_combination("aznas")


# ---------------------------------------------------------------- over a table


def test_tenas_is_the_sum_of_both_ranks():
    scores = np.array([[1.0, 3.0], [2.0, 1.0], [2.0, 2.0], [-math.inf, 2.0]])
    assert combine(load_combination("tenas"), scores).tolist() == [6.0, 4.5, 6.0, 3.5]


def test_vkdnw_agg_ranks_its_own_part_densely():
    same = np.array([1.0, 2.0, 3.0, 4.0])
    scores = np.column_stack([[45.7, 45.7, 90.2, 90.5], same, same, same, same])
    expected = [
        math.log(own) + 4 * math.log(rank) for own, rank in [(1, 1), (1, 2), (2, 3), (3, 4)]
    ]
    np.testing.assert_allclose(combine(load_combination("vkdnw_agg"), scores), expected)


@given(name=NAMES, scores=SCORES)
@settings(max_examples=40, deadline=None)
def test_a_table_is_combined_as_scipy_ranks_it(name, scores):
    combination = load_combination(name)
    scores = scores[:, : len(combination.parts)]
    with np.errstate(divide="ignore"):
        if combination.rule == "majority":
            expected = (np.array(naive_balance(scores)) / (SIZE - 1) + 1) / 2
        else:
            ranks = np.array(doubled_ranks(combination, scores)) / 2
            shown = np.log(ranks / (SIZE if combination.relative else 1))
            expected = (ranks if combination.rule == "ranks" else shown).sum(axis=1)
    expected[np.isnan(scores).any(axis=1)] = math.nan
    np.testing.assert_allclose(combine(combination, scores), expected, rtol=1e-12)


# ---------------------------------------------------------------- over a history


@given(name=NAMES, scores=SCORES, trace=TRACES)
@settings(max_examples=40, deadline=None)
def test_a_history_is_at_each_step_as_if_it_were_ranked_from_scratch(name, scores, trace):
    combination = load_combination(name)
    scores = scores[:, : len(combination.parts)]
    ordering = ordering_of(combination, scores)
    history = History(ordering, len(trace))
    followed = follow(ordering, np.array(trace), np.zeros(len(trace), np.int64))
    for step, index in enumerate(trace):
        seen = scores[trace[: step + 1]]
        expected = naive_merits(combination, seen)
        np.testing.assert_equal(history.add(index), expected[-1])
        np.testing.assert_array_equal(history.merits, expected)
        assert followed.leader[step] == naive_leader(expected)
        table = combine(combination, seen)
        np.testing.assert_allclose(followed.fitness[step], table[-1], rtol=1e-12, atol=1e-12)


@given(scores=SCORES, trace=TRACES, data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_leader_comes_from_the_highest_rung(scores, trace, data):
    combination = load_combination("tenas")
    scores = scores[:, :2]
    size = len(trace)
    rung = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    followed = follow(ordering_of(combination, scores), np.array(trace), np.array(rung))
    for step in range(size):
        merits = naive_merits(combination, scores[trace[: step + 1]])
        top = max(rung[: step + 1])
        places = [place for place in range(step + 1) if rung[place] == top]
        assert followed.leader[step] == places[naive_leader([merits[place] for place in places])]


def test_products_beyond_integers_keep_the_order():
    combination, steps = load_combination("vkdnw_agg"), 3200
    rng = np.random.default_rng(3)
    scores = np.arange(4000.0)[:, np.newaxis] + rng.normal(scale=20, size=(4000, 5))
    trace = rng.permutation(4000)[:steps]
    history = History(ordering_of(combination, scores), steps)
    for index in trace.tolist():
        history.add(index)
    products = [math.prod(row) for row in doubled_ranks(combination, scores[trace])]
    assert max(products) > 2**63
    np.testing.assert_allclose(history.merits, np.array(products, dtype=float), rtol=1e-15)
    assert np.argsort(history.merits).tolist() == sorted(range(steps), key=products.__getitem__)
