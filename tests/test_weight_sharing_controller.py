"""The controller: its probabilities, its samples, and REINFORCE's gradient by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from trainfree.weight_sharing.controller import Controller, Reinforce

pytestmark = pytest.mark.usefixtures("one_thread")

TOYS = {
    "two edges of a kind": ((3, 3), (0, 0)),
    "edge and node": ((4, 2, 3), None),
    "kinds in turn": ((2, 3, 2, 3), (0, 1, 0, 1)),
}


def every(controller: Controller) -> torch.Tensor:
    return torch.tensor(list(itertools.product(*(range(n) for n in controller.options))))


@pytest.mark.parametrize("toy", TOYS)
def test_probabilities_of_all_choices_sum_to_one(toy: str) -> None:
    controller = Controller(*TOYS[toy], hidden=8, seed=3).double()
    rated = controller.rate(every(controller))
    assert float(rated.log_probability.exp().sum()) == pytest.approx(1.0, abs=1e-12)


def test_samples_follow_the_probabilities() -> None:
    controller = Controller((3, 3), (0, 0), hidden=8, temperature=None, seed=1).double()
    with torch.no_grad():
        for weight in controller.parameters():
            weight.mul_(8.0)  # far from uniform
    choices = every(controller)
    expected = controller.rate(choices).log_probability.exp().detach().numpy()
    assert expected.max() > 2 * expected.min()
    drawn = controller.sample(20_000, torch.Generator().manual_seed(5)).choices
    counts = np.bincount((drawn[:, 0] * 3 + drawn[:, 1]).numpy(), minlength=9)
    assert chisquare(counts, 20_000 * expected).pvalue > 1e-3
    assert torch.equal(controller.rate(drawn).choices, drawn)
    one = controller.sample(4, torch.Generator().manual_seed(5))
    assert torch.equal(one.choices, controller.sample(4, torch.Generator().manual_seed(5)).choices)


def test_entropy_is_that_of_each_step_given_the_choices_before() -> None:
    controller = Controller((4, 2, 3), hidden=8, seed=2).double()
    rated = controller.rate(every(controller))
    probability = rated.log_probability.exp()
    of_all = -(probability * rated.log_probability).sum()
    assert float((probability * rated.entropy).sum()) == pytest.approx(float(of_all), rel=1e-12)


def test_ratings_stay_within_the_tanh_constant() -> None:
    controller = Controller((5,), hidden=8, temperature=0.01, tanh_constant=2.5, seed=0).double()
    log_p = controller.rate(every(controller)).log_probability
    assert float(log_p.max() - log_p.min()) <= 5.0 + 1e-12
    assert float(log_p.max() - log_p.min()) > 1.0


def test_steps_of_one_kind_have_the_same_options() -> None:
    with pytest.raises(ValueError, match="differ in options"):
        Controller((2, 3), (0, 0))


def test_the_expected_step_is_the_gradient_of_the_expected_reward() -> None:
    """Enumerated on two edges: REINFORCE's mean gradient is that of the mean reward."""
    controller = Controller((3, 3), (0, 0), hidden=6, seed=4).double()
    choices = every(controller)
    rewards = torch.linspace(-1.0, 2.0, len(choices), dtype=torch.float64).square()
    expected_reward = (controller.rate(choices).log_probability.exp() * rewards).sum()
    wanted = torch.autograd.grad(expected_reward, list(controller.parameters()))

    learner = Reinforce(
        controller, torch.optim.SGD(controller.parameters(), lr=1.0), entropy_weight=0.0
    )
    learner.baseline_decay, learner.baseline = 1.0, 0.7  # a constant does not bias it
    found = [torch.zeros_like(weight) for weight in controller.parameters()]
    before = [weight.detach().clone() for weight in controller.parameters()]
    for choice, reward in zip(choices, rewards, strict=True):
        sample = controller.rate(choice[None])
        probability = float(sample.log_probability.exp())
        learner.update(sample, reward[None])
        with torch.no_grad():
            for total, weight, old in zip(found, controller.parameters(), before, strict=True):
                total += probability * (weight - old)
                weight.copy_(old)
    for step, gradient in zip(found, wanted, strict=True):
        torch.testing.assert_close(step, gradient, rtol=1e-9, atol=1e-12)


def test_it_learns_which_choice_is_rewarded_and_its_baseline_follows() -> None:
    controller = Controller((4, 3), hidden=16, seed=0)
    optimizer = torch.optim.Adam(controller.parameters(), lr=0.02)
    learner = Reinforce(controller, optimizer, baseline_decay=0.9, entropy_weight=0.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        sample = controller.sample(8, generator)
        hit = (sample.choices == torch.tensor([2, 1])).all(dim=1)
        learner.update(sample, hit.float())
    assert controller.most_likely().tolist() == [2, 1]
    assert learner.baseline is not None
    assert learner.baseline > 0.5
    first = Reinforce(controller, optimizer)
    first.load_state_dict(learner.state_dict())
    assert first.baseline == learner.baseline
