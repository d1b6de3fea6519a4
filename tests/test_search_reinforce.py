"""REINFORCE against autograd, torch's Adam and plain averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from search_fixtures import BAD, SPACE, random_fitness, rng, run_once

from trainfree.search.algorithms.reinforce import Adam, MovingBaseline, Reinforce, ReinforceSettings


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
