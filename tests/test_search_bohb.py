"""BOHB: its brackets, its densities, and what it finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from search_fixtures import SPACE, random_fitness, rng, run_once

from trainfree.search import load_algorithm
from trainfree.search.algorithms.bohb import Bohb, BohbSettings, Density, brackets
from trainfree.search.protocol import fitness_rank


def test_brackets_are_those_of_the_nasbench201_script():
    """Three rungs with eta 3: 9, 3, 1; then 3, 1; then 3 on the highest rung."""
    assert brackets(BohbSettings()) == [[(0, 9), (1, 3), (2, 1)], [(1, 3), (2, 1)], [(2, 3)]]
    assert brackets(BohbSettings(eta=2, rungs=2)) == [[(0, 2), (1, 1)], [(1, 2)]]


def test_bohb_promotes_the_best_and_trains_them_again():
    algorithm, fitness = Bohb(SPACE, rng(), BohbSettings()), random_fitness(bad=0.3)
    seen: list[tuple[int, int]] = []
    for _ in range(40):
        index = algorithm.ask()
        seen.append((algorithm.rung, index))
        algorithm.tell(index, fitness[index])
    assert [rung for rung, _ in seen] == ([0] * 9 + [1] * 3 + [2] + [1] * 3 + [2] + [2] * 3) * 2
    for start in (0, 20):
        round_ = [index for _, index in seen[start : start + 20]]
        for stage, promoted in ((slice(0, 9), slice(9, 12)), (slice(9, 12), slice(12, 13))):
            ranked = sorted(round_[stage], key=lambda i: fitness_rank(fitness[i]), reverse=True)
            assert round_[promoted] == ranked[: promoted.stop - promoted.start]


@given(
    points=hnp.arrays(np.int64, (9, 3), elements=st.integers(0, 3)),
    codes=hnp.arrays(np.int64, (5, 3), elements=st.integers(0, 3)),
    bounded=st.booleans(),
)
@settings(max_examples=60)
def test_density_is_the_mean_of_products_of_aitchison_and_aitkens_kernel(points, codes, bounded):
    density = Density(points, 4, 0.3, bounded=bounded)
    spread = np.sqrt(((points - points.mean(axis=0)) ** 2).mean(axis=0))
    bandwidth = np.maximum(1.06 * spread * 9 ** (-1 / 7), 0.3)
    bandwidth = np.minimum(bandwidth, 0.75) if bounded else bandwidth
    np.testing.assert_allclose(density.bandwidth, bandwidth, rtol=1e-12)
    for place, code in enumerate(codes):
        total = 0.0
        for point in points:
            kernels = [
                1 - h if a == b else h / 3 for a, b, h in zip(code, point, bandwidth, strict=True)
            ]
            total += math.prod(kernels)
        assert density(codes)[place] == pytest.approx(total / 9, rel=1e-9, abs=1e-12)


def test_a_bounded_density_sums_to_one_over_the_space():
    codes = rng(1).integers(3, size=(20, 6))
    density = Density(codes, 3, 0.3, bounded=True)
    assert density(np.array(list(SPACE))).sum() == pytest.approx(1.0)


def test_bohb_models_the_highest_rung_with_twice_seven_results():
    algorithm, fitness = Bohb(SPACE, rng(), BohbSettings()), random_fitness()
    ready = []
    for _ in range(80):
        index = algorithm.ask()
        algorithm.tell(index, fitness[index])
        ready.append([model.ready for model in algorithm._models])
    # Rung 0 has 14 results with the fifth of the second round, rung 1 (six a round) with the
    # second of the third, rung 2 (five a round) with the fourth of its third round.
    assert [[now[rung] for now in ready].index(True) for rung in range(3)] == [24, 50, 58]


def test_bohb_finds_better_than_random_on_a_separable_toy():
    target = SPACE.digits(500)
    fitness = [float(sum(a == b for a, b in zip(digits, target, strict=True))) for digits in SPACE]
    means = {}
    for name in ("bohb", "random"):
        kind = load_algorithm(name)
        runs = [
            run_once(kind(SPACE, rng(run), kind.settings_type()), fitness, 200) for run in range(10)
        ]
        means[name] = np.mean([fitness[index] for run in runs for index in run[-60:]])
    assert means["random"] < 2.3
    assert means["bohb"] > means["random"] + 1.5
