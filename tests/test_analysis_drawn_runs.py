"""Means over runs that share draws of the scores: their error is not that of independent runs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trainfree.analysis.papers.measures import mean_measured
from trainfree.analysis.searches.search import mean_interval
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.drawn_runs import draws_of, half_interval, standard_error

RNG = np.random.default_rng(3)


def drawn_runs(draws: int, runs: int, between: float, within: float) -> tuple[np.ndarray, ...]:
    """Values of runs that take draws in turn, each draw with an offset of its own."""
    draw = np.arange(runs) % draws
    return RNG.normal(0, between, draws)[draw] + RNG.normal(0, within, runs), draw


def test_the_interval_of_shared_draws_covers_the_mean_as_often_as_it_says():
    covered = naive = 0
    for _ in range(400):
        values, draw = drawn_runs(5, 100, between=1.0, within=1.0)
        _, _, low, high = mean_interval(values, draw)
        covered += low <= 0 <= high
        _, _, low, high = mean_interval(values)
        naive += low <= 0 <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.04)
    assert naive / 400 < 0.5


def test_one_draw_leaves_the_interval_of_independent_runs():
    values = RNG.normal(size=50)
    zeros = np.zeros(50, dtype=np.int64)
    expected = stats.t.interval(0.95, 49, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values, zeros)[2:] == pytest.approx(expected)
    assert mean_interval(values) == mean_interval(values, zeros)


def test_the_error_is_the_larger_of_runs_and_draws():
    values = np.array([0.0, 10.0, 0.0, 10.0, 0.0, 10.0])
    draws = np.array([0, 1, 0, 1, 0, 1])
    assert standard_error(values, draws) == (pytest.approx(stats.sem([0.0, 10.0])), 1)
    alike = np.array([0, 0, 0, 1, 1, 1])  # the draws' means differ by less than the runs do
    error, degrees = standard_error(np.array([0.0, 5.0, 10.0, 1.0, 5.0, 9.0]), alike)
    assert degrees == 5
    assert error == pytest.approx(stats.sem([0.0, 5.0, 10.0, 1.0, 5.0, 9.0]))
    assert np.isnan(standard_error(np.array([1.0]), np.array([0]))[0])


def test_the_verdicts_noise_is_as_wide_as_that_interval():
    values, draws = drawn_runs(3, 60, between=5.0, within=0.1)
    found = mean_measured(values, AnalysisSettings(), draws)
    half = half_interval(*standard_error(values, draws))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    assert 1.96 * found.error == pytest.approx(half)


def test_files_without_draws_are_of_one():
    assert draws_of(xr.Dataset(coords={"run": [0, 1, 2]})).tolist() == [0, 0, 0]
    drawn = xr.Dataset({"draw": ("run", [0, 1, 0])}, coords={"run": [0, 1, 2]})
    assert draws_of(drawn).tolist() == [0, 1, 0]
