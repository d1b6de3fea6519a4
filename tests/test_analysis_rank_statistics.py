"""Rank statistics against scipy, a naive oracle and known properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainfree.analysis.statistics.rank_statistics import (
    STATISTICS,
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.randomness import stream

few_values = st.sampled_from([-np.inf, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
pairs_of_values = st.lists(st.tuples(few_values, few_values), min_size=1, max_size=40)


def naive_tau_b(x: np.ndarray, y: np.ndarray) -> float:
    """Count every pair, as the definition says."""
    concordant = discordant = only_x = only_y = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        a = int(x[i] > x[j]) - int(x[i] < x[j])
        b = int(y[i] > y[j]) - int(y[i] < y[j])
        concordant += a * b > 0
        discordant += a * b < 0
        only_x += a == 0 and b != 0
        only_y += b == 0 and a != 0
    untied = concordant + discordant
    bottom = math.sqrt((untied + only_x) * (untied + only_y))
    return (concordant - discordant) / bottom if bottom else math.nan


@given(pairs_of_values)
def test_tau_equals_the_count_of_all_pairs(values: list[tuple[float, float]]) -> None:
    x, y = np.array(values).T
    expected = naive_tau_b(x, y)
    assert PairedRanks(x, y).statistics().kendall == pytest.approx(expected, nan_ok=True)


@given(pairs_of_values, st.integers(0, 2**32 - 1))
def test_a_resample_equals_the_repeated_pairs(values: list[tuple[float, float]], seed: int) -> None:
    x, y = np.array(values).T
    counts = np.random.default_rng(seed).integers(0, 4, len(x))
    counts[0] += 1
    found = PairedRanks(x, y).statistics(counts)
    expected = PairedRanks(np.repeat(x, counts), np.repeat(y, counts)).statistics()
    assert tuple(found[:2]) == pytest.approx(tuple(expected[:2]), nan_ok=True)
    if np.isfinite([x, y]).all():  # else Pearson's r stays undefined in every resample
        assert found.pearson == pytest.approx(expected.pearson, nan_ok=True)


@given(pairs_of_values)
def test_spearman_equals_pearson_of_mean_ranks(values: list[tuple[float, float]]) -> None:
    x, y = np.array(values).T
    if len(set(x)) == 1 or len(set(y)) == 1:
        return
    expected = np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]
    assert PairedRanks(x, y).statistics().spearman == pytest.approx(expected)


@given(pairs_of_values)
def test_symmetric_and_odd(values: list[tuple[float, float]]) -> None:
    x, y = np.array(values).T
    there, back = PairedRanks(x, y).statistics(), PairedRanks(y, x).statistics()
    against = PairedRanks(x, -y).statistics()
    assert tuple(there) == pytest.approx(tuple(back), nan_ok=True)
    assert list(there[:2]) == pytest.approx([-value for value in against[:2]], nan_ok=True)


@pytest.mark.parametrize("size", [3, 4, 7, 8, 9, 100, 1025])
@pytest.mark.parametrize("levels", [3, 10_000])
def test_agrees_with_scipy(size: int, levels: int) -> None:
    rng = np.random.default_rng(size + levels)
    x = rng.integers(levels, size=size).astype(float)
    y = x + rng.integers(levels, size=size)
    x[:2], y[:2] = [0, 1], [1, 0]
    found = PairedRanks(x, y).statistics()
    expected = (stats.kendalltau(x, y)[0], stats.spearmanr(x, y)[0], stats.pearsonr(x, y)[0])
    assert tuple(found) == pytest.approx(expected)


def test_infinity_ranks_lowest_and_leaves_pearson_undefined() -> None:
    y = np.array([1.0, 2.0, 3.0, 5.0])
    infinite = PairedRanks(np.array([-np.inf, 0.0, 2.0, 1.0]), y).statistics()
    finite = PairedRanks(np.array([-9.0, 0.0, 2.0, 1.0]), y).statistics()
    assert infinite[:2] == finite[:2]
    assert math.isnan(infinite.pearson)
    assert finite.pearson == pytest.approx(stats.pearsonr([-9.0, 0, 2, 1], y)[0])


def test_constants_and_no_pairs_are_undefined() -> None:
    for x, y in ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0]), ([], []), ([1.0], [1.0]):
        assert np.isnan(PairedRanks(np.array(x), np.array(y)).statistics()).all()


def test_huge_and_tiny_values_do_not_overflow() -> None:
    x = np.array([1e300, -1e300, 3e299, 5e299])
    y = np.array([1e-300, 3e-300, 2e-300, 1.5e-300])
    expected = stats.pearsonr(x / 1e300, y * 1e300)[0]
    assert PairedRanks(x, y).statistics().pearson == pytest.approx(expected)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="without NaN"):
        PairedRanks(np.array([1.0, np.nan]), np.array([1.0, 2.0]))


def test_bootstrap_is_reproducible() -> None:
    rng = np.random.default_rng(0)
    pairs = PairedRanks(rng.normal(size=50), rng.normal(size=50))
    first, again = (bootstrap(pairs, 20, stream(3, "bootstrap")) for _ in range(2))
    other = bootstrap(pairs, 20, stream(4, "bootstrap"))
    assert first.tobytes() == again.tobytes()
    assert first.shape == (20, 3)
    assert (first != other).any()


def test_a_statistic_alone_is_the_same_as_beside_the_others() -> None:
    rng = np.random.default_rng(1)
    pairs = PairedRanks(rng.integers(9, size=50).astype(float), rng.normal(size=50))
    together = bootstrap(pairs, 20, stream(3, "bootstrap"))
    for place, name in enumerate(STATISTICS):
        alone = bootstrap(pairs, 20, stream(3, "bootstrap"), [name])
        assert alone[:, 0].tobytes() == together[:, place].tobytes()


def test_interval_covers_the_true_correlation_about_as_often_as_it_says() -> None:
    rng, truth, covered = np.random.default_rng(5), 0.6, 0
    for trial in range(100):
        x = rng.normal(size=80)
        y = truth * x + math.sqrt(1 - truth**2) * rng.normal(size=80)
        drawn = bootstrap(PairedRanks(x, y), 100, stream(trial, "bootstrap"))[:, 2]
        low, high = percentile_interval(drawn)
        covered += low <= truth <= high
    assert 86 <= covered <= 99


def test_no_interval_when_a_resample_is_undefined() -> None:
    assert np.isnan(percentile_interval(np.array([0.1, np.nan]))).all()
    assert np.isnan(percentile_interval(np.array([]))).all()
