"""What a proxy of one's own computes with: images, logits, another loss, the module itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from naive_network import ARCHITECTURES, CELLS, CLOSE, Naive, candidate_of
from torch import Tensor
from torch.nn import functional as F

from trainfree.errors import TrainfreeError
from trainfree.proxies import load_proxy
from trainfree.proxies.registry import NEEDS, Proxy, UndefinedScoreError
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

DEAD, ALIVE = 0, 728
Loss = Callable[[Tensor], Tensor]


@pytest.fixture(params=[*ARCHITECTURES, *CELLS])
def candidate(request) -> CheckedCandidate:
    return candidate_of(request.param)


def outcome(function: Callable[[Any], Any], arch: int = ALIVE) -> tuple[float, Status, str]:
    return attempt(small_candidate(arch), Proxy("made", function, frozenset(NEEDS)), arch)[:3]


# ---------------------------------------------------------------- what there is to see


def test_images_logits_and_biases_are_those_of_the_pass(candidate):
    naive = Naive(candidate)
    values = naive.run()
    torch.testing.assert_close(candidate.images, naive.batch.detach(), rtol=0, atol=0)
    torch.testing.assert_close(candidate.logits, values[naive.network.output].detach())
    assert candidate.logits.shape == (len(candidate.images), candidate.classes)
    (number,) = candidate.biases
    assert candidate.biases[number].shape == (candidate.classes,)
    assert number in candidate.weights


def test_counts_are_those_of_the_module(candidate):
    parameters = list(candidate.module.parameters())
    assert candidate.parameter_tensors == len(parameters)
    assert candidate.params == sum(tensor.numel() for tensor in parameters)


def test_channel_gradients_are_derivatives_by_a_factor_of_each_channel(candidate):
    naive = Naive(candidate)
    values = naive.run()
    F.cross_entropy(values[naive.network.output], naive.labels).backward()
    assert set(candidate.channel_gradients) == set(candidate.loss_gradients)
    for number, found in candidate.channel_gradients.items():
        expected = values[number].detach() * values[number].grad
        if expected.dim() == 4:
            expected = expected.sum((2, 3))
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


# ---------------------------------------------------------------- a loss of one's own

LOSSES: dict[str, Loss] = {
    "sum": lambda logits: logits.sum(),
    "entropy of predictions": lambda logits: (
        torch.distributions.Categorical(logits=logits).entropy().mean()
    ),
    "one image": lambda logits: logits[2].square().mean(),
    "of one entry": lambda logits: logits.norm().reshape(1, 1),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_another_loss(candidate, name):
    naive, loss = Naive(candidate), LOSSES[name]
    value = loss(naive.run()[naive.network.output]).sum()
    expected = torch.autograd.grad(value, list(naive.weights.values()), allow_unused=True)
    found = candidate.loss_gradients(loss)
    reached = [n for n, each in zip(naive.weights, expected, strict=True) if each is not None]
    assert sorted(found) == reached
    for number, one in zip(naive.weights, expected, strict=True):
        if one is not None:
            torch.testing.assert_close(found[number], one, rtol=1e-6, atol=1e-9)


def test_the_loss_itself_by_hand_is_the_suites(candidate):
    labels = torch.from_numpy(candidate.labels)
    found = candidate.loss_gradients(lambda logits: F.cross_entropy(logits, labels))
    assert found.keys() == candidate.loss_gradients.keys()
    for number, gradient in candidate.loss_gradients.items():
        torch.testing.assert_close(found[number], gradient, rtol=1e-6, atol=1e-12)


def test_without_a_path_no_loss_has_a_gradient():
    with pytest.raises(UndefinedScoreError, match="no weight has a gradient") as raised:
        # The weight of the linear layer sees zeros alone.
        small_candidate(DEAD).loss_gradients(lambda logits: logits.square().sum())
    assert raised.value.score == -math.inf
    dead = outcome(lambda c: len(c.loss_gradients(lambda logits: logits.sum())), DEAD)
    assert dead[:2] == (-math.inf, Status.SINGULAR)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda logits: logits, r"expected a tensor of one number, found \(8, 10\)"),
        (lambda logits: 3.0, "expected a tensor of one number, found float"),
        (lambda logits: logits.sum().item(), "expected a tensor of one number, found float"),
        (lambda logits: None, "expected a tensor of one number, found NoneType"),
        (lambda logits: logits.detach().sum(), "found one without a gradient"),
        (lambda logits: torch.ones((), requires_grad=True) * 2, "found one without a gradient"),
        (lambda logits: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_loss_fails_its_own_proxy_alone(loss, words):
    candidate = small_candidate(ALIVE)
    with pytest.raises((TrainfreeError, ZeroDivisionError)):
        candidate.loss_gradients(loss)
    wrong = Proxy("made", lambda c: len(c.loss_gradients(loss)), frozenset({"gradients"}))
    score, status, message, _ = attempt(candidate, wrong, ALIVE)
    assert (math.isnan(score), status) == (True, Status.ERROR)
    assert re.search(words, message), message
    snip = load_proxy("snip")
    assert attempt(candidate, snip, ALIVE)[:3] == attempt(small_candidate(ALIVE), snip, ALIVE)[:3]


def test_a_loss_may_set_what_it_likes_and_ask_for_more():
    def asks(candidate: Any) -> float:
        def loss(logits: Tensor) -> Tensor:
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            weights = candidate.weights
            torch.set_grad_enabled(True)
            return logits.sum() * float(sum(weight.norm() for weight in weights.values()))

        with torch.inference_mode():
            found = candidate.loss_gradients(loss)
            assert torch.is_inference_mode_enabled()
        assert torch.get_default_dtype() == torch.float32
        assert all(gradient.dtype == torch.float32 for gradient in found.values())
        return 1.0

    assert outcome(asks) == (1.0, Status.OK, "")


# ---------------------------------------------------------------- the module itself


def test_the_module_is_the_network_with_the_statistics_of_the_batch(candidate):
    module = candidate.module
    torch.testing.assert_close(
        module(candidate.images), candidate.logits, rtol=1e-9, atol=1e-11, check_stride=False
    )
    assert module is not candidate.module
    weights = [w for _, w in sorted(candidate.weights.items())]
    found = [p.detach() for p in module.parameters() if p.dim() > 1]
    for weight, parameter in zip(weights, found, strict=True):
        torch.testing.assert_close(parameter, weight, rtol=0, atol=0, check_stride=False)


def hessian_trace(candidate: Any) -> float:
    """Hutchinson's estimate of the trace of the Hessian of the loss, vᵀ H v, v random signs."""
    module, random = candidate.module, candidate.stream("proxy/hessian_trace")
    labels = torch.from_numpy(candidate.labels)
    weights = [weight for weight in module.parameters() if weight.dim() > 1]
    loss = F.cross_entropy(module(candidate.images), labels)
    gradients = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    signs = [torch.from_numpy(random.choice([-1.0, 1.0], w.shape)).to(w) for w in weights]
    along = sum((g * v).sum() for g, v in zip(gradients, signs, strict=True))
    curved = torch.autograd.grad(along, weights, materialize_grads=True)
    return sum(float((v * h).sum()) for v, h in zip(signs, curved, strict=True))


def test_hutchinsons_trace_as_a_proxy_of_ones_own(candidate):
    needs = frozenset({"weights", "images", "labels", "random"})
    found, _ = candidate.score(Proxy("hessian_trace", hessian_trace, needs))
    naive, random = Naive(candidate), candidate.stream("proxy/hessian_trace")
    signs = {
        id(w): torch.from_numpy(random.choice([-1.0, 1.0], tuple(w.shape)))
        for w in naive.weights.values()
    }
    weights, gradients = zip(*naive.gradients(graph=True), strict=True)
    vectors = [signs[id(weight)] for weight in weights]
    products = torch.autograd.grad(gradients, weights, vectors, allow_unused=True)
    expected = sum(
        float((v * p).sum()) for v, p in zip(vectors, products, strict=True) if p is not None
    )
    assert found == pytest.approx(expected, **CLOSE)


def test_a_module_that_is_edited_or_trained_changes_nothing_for_others():
    def trains(candidate: Any) -> float:
        module, images = candidate.module, candidate.images
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            module(images).square().mean().backward()
            optimizer.step()
        images.zero_()
        again = candidate.module(candidate.images)
        torch.testing.assert_close(again, candidate.logits, check_stride=False)
        return float(module(candidate.images).square().mean())

    names = ("naswot", "snip", "zico", "grasp", "ntk_condition", "synflow_bn")
    candidate = small_candidate(ALIVE)
    made = Proxy("made", trains, frozenset(NEEDS))
    assert attempt(candidate, made, ALIVE)[1:3] == (Status.OK, "")
    for name in names:
        alone, _ = small_candidate(ALIVE).score(load_proxy(name))
        assert candidate.score(load_proxy(name))[0] == alone, name
    assert np.isfinite(candidate.images.numpy()).all()
