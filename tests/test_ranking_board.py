"""The board: measures against scipy and plain oracles, resampled pairs, tests that keep a level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainfree.analysis.ranking.board import (
    FEWEST_OF_HEAD,
    Column,
    make_board,
    two_sided,
)
from trainfree.analysis.statistics.exponential_gain import ndcg_at
from trainfree.analysis.statistics.weighted_gain import HeadGain
from trainfree.randomness import stream

RNG = np.random.default_rng(3)


def noisy(accuracy: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return accuracy + noise * rng.standard_normal(len(accuracy))


@pytest.fixture(scope="module")
def listed():
    """150 architectures with ties, one proxy that knows much and one that knows little."""
    rng = np.random.default_rng(0)
    accuracy = np.round(90 + 2 * rng.standard_normal(150), 1)
    good, poor = np.round(noisy(accuracy, 1, rng), 1), noisy(accuracy, 6, rng)
    good[:2] = -np.inf
    holes = poor.copy()
    holes[5:25] = np.nan
    holes[30] = np.inf
    columns = [Column("good", good, True), Column("poor", poor, False, "s0")]
    columns.append(Column("holes", holes, False, "s1"))
    return accuracy, columns, make_board(columns, accuracy, 500, 100, 0)


def test_measures_are_those_of_scipy(listed):
    accuracy, _, board = listed
    for line in board.lines:
        known = line.column.usable
        score, trained = line.column.scores[known], accuracy[known]
        best = trained >= np.quantile(trained, 0.9)
        expected = {
            "kendall": stats.kendalltau(score, trained).statistic,
            "spearman": stats.spearmanr(score, trained).statistic,
            "top_kendall": stats.kendalltau(score[best], trained[best]).statistic,
            "ndcg": ndcg_at(score, trained, population=500),
        }
        assert line.measured == pytest.approx(expected, abs=1e-12)


def test_lines_count_what_is_there_and_stand_best_first(listed):
    _, _, board = listed
    assert [line.column.name for line in board.lines] == ["good", "holes", "poor"]
    by_name = {line.column.name: line for line in board.lines}
    assert (by_name["good"].n, by_name["good"].missing, by_name["good"].infinite) == (150, 0, 2)
    assert (by_name["holes"].n, by_name["holes"].missing) == (129, 21)
    values = [line.measured["kendall"] for line in board.lines]
    assert values == sorted(values, reverse=True)


def test_intervals_and_differences_are_those_of_resampled_rows(listed):
    """Each resample is written out as rows: the same rows for both columns of a test."""
    accuracy, columns, board = listed
    good, holes = columns[0], columns[2]
    rng = stream(0, "board")
    taus, differences = [], []
    for _ in range(100):
        rows = rng.integers(150, size=150)
        taus.append(stats.kendalltau(good.scores[rows], accuracy[rows]).statistic)
        both = rows[holes.usable[rows]]
        one, other = (
            stats.kendalltau(each.scores[both], accuracy[both]).statistic for each in (good, holes)
        )
        differences.append(one - other)
    line = next(line for line in board.lines if line.column is good)
    assert line.intervals["kendall"] == pytest.approx(np.quantile(taus, [0.025, 0.975]))
    test = next(test for test in board.tests if test.other == "holes")
    assert (test.low, test.high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    assert test.n == 129
    z = test.difference / np.std(differences, ddof=1)
    assert test.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert test.verdict == "higher"


def test_a_column_against_itself_differs_in_nothing():
    accuracy = RNG.standard_normal(80)
    score = noisy(accuracy, 1, RNG)
    board = make_board([Column("a", score, True), Column("a", score, False)], accuracy, 80, 50, 0)
    assert (board.tests[0].difference, board.tests[0].p_value) == (0.0, 1.0)
    assert board.tests[0].verdict == "no clear difference"


def test_equal_proxies_are_told_apart_as_rarely_as_the_level_says():
    rng = np.random.default_rng(11)
    found = []
    for seed in range(120):
        accuracy = rng.standard_normal(60)
        columns = [Column(name, noisy(accuracy, 1, rng), name == "a") for name in "ab"]
        found.append(make_board(columns, accuracy, 60, 60, seed).tests[0].p_value)
    rejected = int((np.array(found) < 0.05).sum())
    assert stats.binomtest(rejected, 120, 0.05).pvalue > 0.01
    assert rejected <= 15


def test_few_architectures_in_common_are_not_tested_and_stand_last():
    accuracy = np.random.default_rng(2).standard_normal(FEWEST_OF_HEAD + 20)
    few = np.full(len(accuracy), np.nan)
    few[:12] = accuracy[:12]
    weak = Column("weak", np.arange(len(accuracy)) * 1.0, True)
    one = np.full(len(accuracy), np.nan)
    one[0] = 1.0
    others = [Column("few", few, False), Column("one", one, False)]
    board = make_board([weak, *others], accuracy, 1000, 20, 0)
    assert [line.column.name for line in board.lines] == ["weak", "few", "one"]
    lines = {line.column.name: line for line in board.lines}
    assert lines["few"].measured["kendall"] == 1.0
    assert math.isnan(lines["few"].measured["ndcg"])
    assert math.isnan(lines["one"].measured["kendall"])
    assert {test.verdict for test in board.tests} == {"too few in common"}
    assert all(math.isnan(test.adjusted) for test in board.tests)


def test_constant_scores_have_no_correlation_and_no_test():
    accuracy = np.random.default_rng(2).standard_normal(40)
    columns = [Column("constant", np.ones(40), True), Column("itself", accuracy, False)]
    board = make_board(columns, accuracy, 40, 20, 0)
    assert math.isnan(board.lines[-1].measured["kendall"])
    assert board.tests[0].verdict == "not tested"
    assert math.isnan(two_sided(math.nan, np.ones(3)))


@given(st.integers(10, 60), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_the_gain_of_a_resample_is_that_of_its_rows(n, k, seed):
    rng = np.random.default_rng(seed)
    accuracy = rng.integers(0, 25, n) / 3
    score = rng.integers(0, int(rng.integers(2, 40)), n).astype(float)
    population = int(rng.integers(n, 5 * n))
    head = HeadGain(score, accuracy, population, k)
    assert head.value() == pytest.approx(ndcg_at(score, accuracy, k, population), nan_ok=True)
    rows = rng.integers(n, size=n)
    counts = np.bincount(rows, minlength=n)
    expected = ndcg_at(score[rows], accuracy[rows], k, population)
    assert head.value(counts) == pytest.approx(expected, abs=1e-9, nan_ok=True)
