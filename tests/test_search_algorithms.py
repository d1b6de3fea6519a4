"""The search algorithms against naive oracles: what they draw, keep and learn."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.search import ALGORITHM_NAMES, load_algorithm
from trainfree.search.protocol import BLOCK, fitness_rank, make_settings
from trainfree.search.random import RandomSearch, RandomSettings
from trainfree.search.rea import ReaSettings, RegularizedEvolution
from trainfree.search.reinforce import Adam, MovingBaseline, Reinforce, ReinforceSettings
from trainfree.search.run import run_once
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


# ---------------------------------------------------------------- names and settings


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_every_name_loads_a_class_that_runs_with_its_defaults(name):
    kind = load_algorithm(name)
    chosen, values = make_settings(name, kind, {})
    asked = run_once(kind(SPACE, rng(), chosen), random_fitness(), 60)
    assert all(0 <= index < len(SPACE) for index in asked)
    assert kind.__doc__
    assert isinstance(values, dict)


def test_defaults_are_those_of_the_configuration():
    from trainfree import config

    assert make_settings("rea", RegularizedEvolution, {})[1] == config.ReaConfig().model_dump()
    assert make_settings("reinforce", Reinforce, {})[1] == config.ReinforceConfig().model_dump()
    assert make_settings("random", RandomSearch, {})[1] == config.RandomConfig().model_dump()


def test_unknown_algorithm_suggests_the_near_one():
    with pytest.raises(UnknownNameError, match=r"algorithm 'reinforse'; did you mean 'reinforce'"):
        load_algorithm("reinforse")


def test_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"search\.rea: unknown setting 'popullation'.*population"
    ):
        make_settings("rea", RegularizedEvolution, {"popullation": 3})
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
    ],
)
def test_settings_out_of_range_are_refused_by_name(name, values):
    with pytest.raises(ConfigError, match=rf"search\.{name}\.{next(iter(values))}: expected"):
        make_settings(name, load_algorithm(name), values)


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_a_longer_run_begins_like_a_shorter_one(name):
    kind, fitness = load_algorithm(name), random_fitness(bad=0.2)
    asked = {
        steps: run_once(kind(SPACE, rng(3), kind.settings_type()), fitness, steps)
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
    seed=st.integers(0, 99),
    rule=st.sampled_from(["edge", "node_then_edge"]),
)
@settings(max_examples=40, deadline=None)
def test_rea_equals_a_naive_one_that_keeps_all_history(population, sample, seed, rule):
    fitness, steps = random_fitness(seed, bad=0.3), 320
    algorithm = RegularizedEvolution(SPACE, rng(seed), ReaSettings(population, sample, rule))
    asked = run_once(algorithm, fitness, steps)

    draws, places, history = rng(seed), [], []
    for _ in range(steps):
        if len(history) < population:
            history.append(SPACE.sample(draws))
            continue
        if not places:
            places = draws.integers(population, size=(BLOCK, sample)).tolist()
        alive = history[-population:]
        tournament = [alive[place] for place in places.pop(0)]
        finite = [index for index in tournament if not math.isnan(fitness[index])]
        best = max(finite, key=lambda index: fitness[index]) if finite else tournament[0]
        history.append(SPACE.mutate(best, draws, rule))
    assert asked == history


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
