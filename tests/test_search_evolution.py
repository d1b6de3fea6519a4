"""Random search and the evolutions, assisted ones too, against naive oracles."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixtures import SPACE, SpySpace, random_fitness, rng, run_once

from trainfree.search.algorithms.area import AreaSettings, AssistedEvolution
from trainfree.search.algorithms.move import MoveSettings, MovingEvolution
from trainfree.search.algorithms.random import RandomSearch, RandomSettings
from trainfree.search.algorithms.rea import ReaSettings, RegularizedEvolution
from trainfree.search.algorithms.warmup import WarmedUpEvolution, WarmupSettings
from trainfree.search.protocol import BLOCK, PaidScores, fitness_rank


def test_random_search_is_uniform_with_replacement():
    steps = 50 * len(SPACE)
    asked = run_once(RandomSearch(SPACE, rng(), RandomSettings()), [0.0] * len(SPACE), steps)
    counts = np.bincount(asked, minlength=len(SPACE))
    chi_square = ((counts - 50) ** 2 / 50).sum()
    degrees = len(SPACE) - 1
    assert abs(chi_square - degrees) < 4 * math.sqrt(2 * degrees)
    assert len(set(asked[:300])) < 300  # with replacement


@given(
    population=st.integers(1, 12),
    sample=st.integers(1, 6),
    replacement=st.booleans(),
    seed=st.integers(0, 99),
    rule=st.sampled_from(["edge", "node_then_edge"]),
)
@settings(max_examples=40, deadline=None)
def test_rea_equals_a_naive_one_that_keeps_all_history(population, sample, replacement, seed, rule):
    fitness, steps = random_fitness(seed, bad=0.3), 320
    sample = sample if replacement else min(sample, population)
    chosen = ReaSettings(population, sample, replacement, rule)
    asked = run_once(RegularizedEvolution(SPACE, rng(seed), chosen), fitness, steps)
    draws = rng(seed)
    first = [SPACE.sample(draws) for _ in range(population)]
    assert asked == naive_evolution(first, fitness, chosen, draws, steps)


def naive_evolution(first, fitness, chosen, draws, steps):
    """Regularized evolution that keeps all its history, with the draws of the real one."""
    history, places = list(first), []
    population, sample = chosen.population, chosen.sample
    while len(history) < steps:
        if not places and chosen.replacement:
            places = draws.integers(population, size=(BLOCK, sample)).tolist()
        elif not places:
            everyone = np.tile(np.arange(population), (BLOCK, 1))
            places = draws.permuted(everyone, axis=1)[:, :sample].tolist()
        alive = history[-population:]
        tournament = [alive[place] for place in places.pop(0)]
        finite = [index for index in tournament if not math.isnan(fitness[index])]
        best = max(finite, key=lambda index: fitness[index]) if finite else tournament[0]
        history.append(SPACE.mutate(best, draws, chosen.mutation))
    return history[:steps]


def test_rea_tournament_without_replacement_has_different_members():
    spy = SpySpace()
    algorithm = RegularizedEvolution(spy, rng(), ReaSettings(6, 6, replacement=False))
    for index in range(6):
        algorithm.tell(index, -float(index))
    for _ in range(600):
        algorithm.ask()
    assert {parent for parent, _ in spy.mutations} == {0}  # all six meet, so the best always wins


@given(population=st.integers(1, 8), more=st.integers(0, 12), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_area_trains_the_best_of_the_scored_first_and_then_evolves(population, more, seed):
    scores, fitness = random_fitness(seed, bad=0.4), random_fitness(seed + 1, bad=0.2)
    chosen = AreaSettings(population, 1, replacement=False, scored=population + more)
    paid = PaidScores(scores, [1.0] * len(SPACE))
    asked = run_once(AssistedEvolution(SPACE, rng(seed), chosen, paid), fitness, population + 30)
    draws = rng(seed)
    drawn = [SPACE.sample(draws) for _ in range(chosen.scored)]
    # Python's sort is stable: among equals the one drawn first comes first.
    best_first = sorted(drawn, key=lambda index: fitness_rank(scores[index]), reverse=True)
    first = best_first[:population]
    assert asked == naive_evolution(first, fitness, chosen, draws, population + 30)
    assert paid.spent == chosen.scored  # each of one second, and nothing more later


def test_warmup_is_area_at_the_published_scale():
    scores, fitness = random_fitness(3), random_fitness(4)
    paid = [PaidScores(scores, [0.5] * len(SPACE)) for _ in range(2)]
    warm = WarmedUpEvolution(SPACE, rng(1), WarmupSettings(), paid[0])
    plain = AreaSettings(64, 10, replacement=False, mutation="edge", scored=3000)
    asked = run_once(warm, fitness, 200)
    assert asked == run_once(AssistedEvolution(SPACE, rng(1), plain, paid[1]), fitness, 200)
    assert paid[0].spent == 1500.0
    assert min(scores[index] for index in asked[:64]) > np.quantile(scores, 0.95)


@pytest.mark.parametrize("proposals", [1, 5, 12, 24])
def test_move_scores_different_neighbours_and_takes_the_best_as_often_as_said(proposals):
    scores = rng(2).permutation(len(SPACE)).astype(float).tolist()
    spy = SpyScores(scores)
    chosen = MoveSettings(population=3, sample=3, proposals=proposals, greed=0.75)
    algorithm = MovingEvolution(SPACE, rng(4), chosen, spy)
    for parent, fitness in ((100, 1.0), (200, 3.0), (300, 2.0)):
        algorithm.ask()
        algorithm.tell(parent, fitness)
    assert spy.asked == []
    best, steps, looked_at = 0, 4000, min(proposals, 12)
    for _ in range(steps):
        spy.asked.clear()
        child = algorithm.ask()  # all three meet, so the parent is 200
        assert len(set(spy.asked)) == len(spy.asked) == looked_at
        assert set(spy.asked) <= set(SPACE.neighbours(200))
        assert child in spy.asked
        best += child == max(spy.asked, key=lambda index: scores[index])
    expected = 0.75 + 0.25 / looked_at
    assert abs(best / steps - expected) < 4.5 * math.sqrt(expected * (1 - expected) / steps) + 1e-9


class SpyScores(PaidScores):
    """Scores that remember what was asked for."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__(scores, [1.0] * len(scores))
        self.asked: list[int] = []

    def rank(self, index):
        self.asked.append(index)
        return super().rank(index)


def test_a_failed_score_is_the_worst_proposal():
    scores = [math.nan] * len(SPACE)
    scores[SPACE.neighbours(200)[7]] = -math.inf
    chosen = MoveSettings(population=1, sample=1, greed=1.0)
    algorithm = MovingEvolution(SPACE, rng(), chosen, PaidScores(scores, [1.0] * len(SPACE)))
    algorithm.tell(200, 1.0)
    assert algorithm.ask() == SPACE.neighbours(200)[7]


def test_rea_children_differ_from_their_parent_in_exactly_one_edge():
    spy = SpySpace()
    run_once(RegularizedEvolution(spy, rng(), ReaSettings()), random_fitness(), 500)
    assert len(spy.mutations) == 490
    for parent, child in spy.mutations:
        differences = [
            a != b for a, b in zip(SPACE.digits(parent), SPACE.digits(child), strict=True)
        ]
        assert sum(differences) == 1


def test_rea_tournament_is_drawn_with_replacement():
    """The best of P wins with 1 - (1 - 1/P)^S, the worst with (1/P)^S."""
    spy, draws = SpySpace(), 6000
    algorithm = RegularizedEvolution(spy, rng(5), ReaSettings(population=4, sample=2))
    for index in range(4):
        algorithm.tell(index, float(index))
    for _ in range(draws):
        algorithm.ask()
    wins = Counter(parent for parent, _ in spy.mutations)
    for index in range(4):
        expected = ((index + 1) ** 2 - index**2) / 16
        spread = math.sqrt(expected * (1 - expected) / draws)
        assert abs(wins[index] / draws - expected) < 4.5 * spread


def test_rea_first_of_equals_and_failed_below_minus_infinity():
    assert max([math.nan, -math.inf], key=fitness_rank) == -math.inf
    assert fitness_rank(math.nan) < fitness_rank(-math.inf) < fitness_rank(-1e300)
    spy = SpySpace()
    algorithm = RegularizedEvolution(spy, rng(), ReaSettings(population=2, sample=40))
    algorithm.tell(7, math.nan)
    algorithm.tell(8, -math.inf)
    algorithm.ask()
    assert spy.mutations[0][0] == 8
