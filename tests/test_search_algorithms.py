"""The search algorithms against naive oracles: what they draw, keep and learn."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.search import ALGORITHM_NAMES, load_algorithm
from trainfree.search.algorithms.area import AreaSettings, AssistedEvolution
from trainfree.search.algorithms.bohb import Bohb, BohbSettings, Density, brackets
from trainfree.search.algorithms.move import MoveSettings, MovingEvolution
from trainfree.search.algorithms.random import RandomSearch, RandomSettings
from trainfree.search.algorithms.rea import ReaSettings, RegularizedEvolution
from trainfree.search.algorithms.reinforce import Adam, MovingBaseline, Reinforce, ReinforceSettings
from trainfree.search.algorithms.warmup import WarmedUpEvolution, WarmupSettings
from trainfree.search.budget import run_once
from trainfree.search.protocol import BLOCK, PaidScores, fitness_rank, make_settings
from trainfree.spaces import load_space

SPACE = load_space("nasbench201_mini")
BAD = (math.nan, -math.inf)


class SpySpace:
    """A space that remembers who was mutated into whom."""

    def __init__(self) -> None:
        self.mutations: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(SPACE)

    def sample(self, rng):
        return SPACE.sample(rng)

    def mutate(self, index, rng, rule):
        child = SPACE.mutate(index, rng, rule)
        self.mutations.append((index, child))
        return child


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_fitness(seed: int = 1, bad: float = 0.0) -> list[float]:
    draws = rng(seed)
    values = draws.uniform(10, 95, len(SPACE)).round(0)  # rounding makes ties
    values[draws.random(len(SPACE)) < bad / 2] = math.nan
    values[draws.random(len(SPACE)) < bad / 2] = -math.inf
    return values.tolist()


def assistance(kind, scores: list[float] | None = None) -> list[PaidScores]:
    """The scores of a proxy for an algorithm that takes them; each costs one second."""
    if not kind.assisted:
        return []
    return [PaidScores(scores or random_fitness(seed=9, bad=0.2), [1.0] * len(SPACE))]


# ---------------------------------------------------------------- names and settings


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_every_name_loads_a_class_that_runs_with_its_defaults(name):
    kind = load_algorithm(name)
    chosen, values = make_settings(name, kind, {})
    asked = run_once(kind(SPACE, rng(), chosen, *assistance(kind)), random_fitness(), 60)
    assert all(0 <= index < len(SPACE) for index in asked)
    assert kind.__doc__
    assert isinstance(values, dict)


def test_a_file_with_an_algorithm_is_enough_and_touches_no_other_hash(repository, tmp_path):
    assert ALGORITHM_NAMES == ["area", "bohb", "move", "random", "rea", "reinforce", "warmup"]
    code = (
        "from trainfree.provenance import code_hash\n"
        "from trainfree.search import ALGORITHM_NAMES, load_algorithm\n"
        "print(code_hash('trainfree.search.run', 'trainfree.search.algorithms.rea'))\n"
        "print('mine' in ALGORITHM_NAMES and load_algorithm('mine').__name__)\n"
    )
    copy = shutil.copytree(repository / "src", tmp_path / "src")

    def outcome() -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        return done.stdout.split()

    before = outcome()
    folder = copy / "trainfree" / "search" / "algorithms"
    (folder / "mine.py").write_text((folder / "random.py").read_text())
    assert before[1] == "False"
    assert outcome() == [before[0], "RandomSearch"]


PUBLISHED = {
    ("random", "nasbench201"): ({}, "stop_before"),
    ("random", "nats"): ({}, "interpolate"),
    ("random", "naswot"): ({}, "stop_before"),
    ("random", "cossu"): ({}, "stop_before"),
    ("rea", "nasbench201"): (
        {"population": 10, "sample": 3, "replacement": True, "mutation": "node_then_edge"},
        "stop_before",
    ),
    ("rea", "nats"): (
        {"population": 10, "sample": 3, "replacement": True, "mutation": "node_then_edge"},
        "interpolate",
    ),
    ("rea", "cossu"): (
        {"population": 64, "sample": 20, "replacement": False, "mutation": "edge"},
        "stop_before",
    ),
    ("rea", "zerocost"): (
        {"population": 64, "sample": 10, "replacement": False, "mutation": "edge"},
        "stop_before",
    ),
    ("area", "naswot"): (
        {
            **{"population": 10, "sample": 3, "replacement": False, "mutation": "node_then_edge"},
            "scored": 20,
        },
        "allow",
    ),
    ("reinforce", "nasbench201"): ({"learning_rate": 0.5, "baseline_momentum": 0.9}, "allow"),
    ("reinforce", "nats"): ({"learning_rate": 0.01, "baseline_momentum": 0.9}, "interpolate"),
    ("bohb", "nasbench201"): (
        {
            **{"eta": 3, "rungs": 3, "candidates": 4, "random_fraction": 0.0, "top_percent": 15},
            **{"min_bandwidth": 0.3, "bounded": False},
        },
        "stop_before",
    ),
    ("warmup", "zerocost"): (
        {
            **{"population": 64, "sample": 10, "replacement": False, "mutation": "edge"},
            "scored": 3000,
        },
        "stop_before",
    ),
    ("move", "zerocost"): (
        {
            **{"population": 64, "sample": 10, "replacement": False},
            **{"proposals": 24, "greed": 0.75},
        },
        "stop_before",
    ),
}


def test_presets_hold_the_published_numbers():
    found = {
        (name, preset): (
            make_settings(name, load_algorithm(name), published.settings)[1],
            published.overshoot,
        )
        for name in ALGORITHM_NAMES
        for preset, published in load_algorithm(name).presets.items()
    }
    assert found == PUBLISHED


def test_unknown_algorithm_suggests_the_near_one():
    with pytest.raises(UnknownNameError, match=r"algorithm 'reinforse'; did you mean 'reinforce'"):
        load_algorithm("reinforse")


def test_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"a\.b: unknown key or setting 'popullation'; did you mean 'population'"
    ):
        make_settings("a.b", RegularizedEvolution, {"popullation": 3})
    with pytest.raises(ConfigError, match="nothing to set"):
        make_settings("random", RandomSearch, {"x": 3})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rea", {"population": 0}),
        ("rea", {"sample": 0}),
        ("rea", {"mutation": "node"}),
        ("reinforce", {"learning_rate": 0.0}),
        ("reinforce", {"learning_rate": math.nan}),
        ("reinforce", {"baseline_momentum": 1.0}),
        ("rea", {"sample": 11, "replacement": False}),
        ("rea", {"population": "10"}),
        ("rea", {"population": 10.0}),
        ("rea", {"population": True}),
        ("rea", {"replacement": 1}),
        ("area", {"scored": 9}),
        ("warmup", {"scored": 63}),
        ("move", {"proposals": 0}),
        ("move", {"greed": 1.5}),
        ("bohb", {"eta": 1}),
        ("bohb", {"rungs": 0}),
        ("bohb", {"top_percent": 100}),
        ("bohb", {"random_fraction": -0.1}),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name, values):
    with pytest.raises(ConfigError, match=rf"^here\.{next(iter(values))}: expected"):
        make_settings("here", load_algorithm(name), values)


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_a_longer_run_begins_like_a_shorter_one(name):
    kind, fitness = load_algorithm(name), random_fitness(bad=0.2)
    asked = {
        steps: run_once(
            kind(SPACE, rng(3), kind.settings_type(), *assistance(kind)), fitness, steps
        )
        for steps in (10, BLOCK + 1, 3 * BLOCK)
    }
    assert asked[3 * BLOCK][: BLOCK + 1] == asked[BLOCK + 1]
    assert asked[BLOCK + 1][:10] == asked[10]


# ---------------------------------------------------------------- random search


def test_random_search_is_uniform_with_replacement():
    steps = 50 * len(SPACE)
    asked = run_once(RandomSearch(SPACE, rng(), RandomSettings()), [0.0] * len(SPACE), steps)
    counts = np.bincount(asked, minlength=len(SPACE))
    chi_square = ((counts - 50) ** 2 / 50).sum()
    degrees = len(SPACE) - 1
    assert abs(chi_square - degrees) < 4 * math.sqrt(2 * degrees)
    assert len(set(asked[:300])) < 300  # with replacement


# ---------------------------------------------------------------- regularized evolution


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


# ---------------------------------------------------------------- assistance by a proxy


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


# ---------------------------------------------------------------- BOHB


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


# ---------------------------------------------------------------- REINFORCE


def naive_baseline(rewards: list[float], momentum: float) -> float:
    weights = np.array([momentum**age for age in range(len(rewards))][::-1])
    first = rewards[0]
    return first + float((weights * (np.array(rewards) - first)).sum() / weights.sum())


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("learning_rate", [0.01, 0.5])
def test_reinforce_steps_equal_autograd_and_torch_adam(learning_rate, momentum):
    algorithm = Reinforce(SPACE, rng(2), ReinforceSettings(learning_rate, momentum))
    logits = torch.tensor(algorithm.logits.copy(), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)
    fitness, rewards = random_fitness(), []
    for _ in range(200):
        index = algorithm.ask()
        algorithm.tell(index, fitness[index])
        rewards.append(fitness[index])
        advantage = rewards[-1] - naive_baseline(rewards, momentum)
        policy = torch.distributions.Categorical(logits=logits)
        loss = -policy.log_prob(torch.tensor(SPACE.digits(index))).sum() * advantage
        adam.zero_grad()
        loss.backward()
        adam.step()
        np.testing.assert_allclose(
            algorithm.logits, logits.detach().numpy(), rtol=1e-12, atol=1e-12
        )
    assert np.ptp(algorithm.logits) > 10 * learning_rate


def test_adam_alone_equals_torch_over_many_steps():
    draws = rng(4)
    ours = draws.standard_normal((3, 4))
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    adam, oracle = Adam(ours, 0.02), torch.optim.Adam([theirs], lr=0.02)
    for step in range(2000):
        gradient = draws.standard_normal((3, 4)) * 10.0 ** (step % 5 - 2)
        theirs.grad = torch.tensor(gradient.copy())
        adam.step(gradient)
        oracle.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(0, 0.99))
def test_baseline_is_the_bias_corrected_average(rewards, momentum):
    baseline = MovingBaseline(momentum)
    values = [baseline.update(reward) for reward in rewards]
    assert values[0] == rewards[0]
    assert values[-1] == pytest.approx(naive_baseline(rewards, momentum), rel=1e-9, abs=1e-6)


def test_reinforce_draws_from_the_softmax_of_its_logits():
    algorithm = Reinforce(SPACE, rng(8), ReinforceSettings())
    algorithm.logits[:] = np.log([0.6, 0.3, 0.1])
    draws = 5000
    digits = np.array([SPACE.digits(algorithm.ask()) for _ in range(draws)])
    for operation, expected in enumerate([0.6, 0.3, 0.1]):
        share = (digits == operation).mean(axis=0)
        assert np.all(abs(share - expected) < 4.5 * math.sqrt(expected * (1 - expected) / draws))


def test_reinforce_solves_a_separable_reward():
    target = SPACE.digits(500)
    fitness = [float(sum(a == b for a, b in zip(digits, target, strict=True))) for digits in SPACE]
    algorithm = Reinforce(SPACE, rng(1), ReinforceSettings(learning_rate=0.05))
    asked = run_once(algorithm, fitness, 1000)
    assert np.mean([fitness[index] for index in asked[:20]]) < 3
    assert np.mean([fitness[index] for index in asked[-100:]]) > 5.5


@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (1e4, 0.0), (1.0, -5e3), (20.0, 1e4)])
def test_reinforce_does_not_care_about_the_scale_of_a_proxy(factor, shift):
    fitness = random_fitness()
    moved = [factor * value + shift for value in fitness]
    first, second = (Reinforce(SPACE, rng(6), ReinforceSettings(0.05)) for _ in range(2))
    assert run_once(first, fitness, 600) == run_once(second, moved, 600)
    np.testing.assert_allclose(first.logits, second.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", BAD)
def test_reinforce_takes_a_bad_fitness_for_the_worst_so_far(bad):
    def logits_after(rewards):
        algorithm = Reinforce(SPACE, rng(9), ReinforceSettings())
        for reward in rewards:
            algorithm.tell(algorithm.ask(), reward)
        return algorithm.logits

    np.testing.assert_array_equal(
        logits_after([50.0, 20.0, 80.0, bad, 60.0, bad]),
        logits_after([50.0, 20.0, 80.0, 20.0, 60.0, 20.0]),
    )
    assert np.isfinite(logits_after([bad, 50.0, bad, 70.0])).all()


@pytest.mark.parametrize("reward", [math.nan, -math.inf, 42.5])
def test_reinforce_learns_nothing_where_there_is_nothing_to_learn(reward):
    algorithm = Reinforce(SPACE, rng(9), ReinforceSettings())
    before = algorithm.logits.copy()
    run_once(algorithm, [reward] * len(SPACE), 50)
    np.testing.assert_array_equal(algorithm.logits, before)
