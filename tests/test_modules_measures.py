"""Proxies of torch modules against the plain measures of the benchmarks, in double precision."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from measures import MEASURES
from test_scoring_own_losses import LOSSES, hessian_trace
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.errors import TrainfreeError
from trainfree.proxies import load_proxy
from trainfree.proxies.registry import NEEDS, Proxy, UndefinedScoreError
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.module_backend import ModuleBackend
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

CLOSE = {"rel": 1e-9, "abs": 1e-12}


class Grouped(nn.Module):
    """Convolutions with groups, dilation and bias, a module called twice, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1, groups=2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(x + self.pointwise(self.depthwise(x)))
        return self.head(x.mean((2, 3)))


MODELS = {
    "grouped": Grouped,
    "perceptron": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(192, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 5)
    ),
}


@pytest.fixture(params=MODELS)
def model(request) -> nn.Module:
    torch.manual_seed(3)
    return MODELS[request.param]().double()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 3, 4, 1])


def candidate_of(model: nn.Module, images: Tensor, labels: Tensor | None = LABELS):
    own = copy.deepcopy(model)
    backend = ModuleBackend(own, images, PhaseClock(), labels, lambda what: stream(0, what, 0))
    return CheckedCandidate(backend)


@pytest.mark.parametrize("name", MEASURES)
def test_proxies_are_the_plain_measures(name, model, images):
    found, status, message, _ = attempt(candidate_of(model, images), load_proxy(name), 0)
    assert (status, message) == (Status.OK, "")
    assert found == pytest.approx(MEASURES[name](model, images, LABELS), **CLOSE)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_another_loss_of_a_module_need_no_labels(name, model, images):
    plain = copy.deepcopy(model).train()
    LOSSES[name](plain(images)).sum().backward()
    found = candidate_of(model, images, labels=None).loss_gradients(LOSSES[name])
    expected = {n: p.grad for n, p in plain.named_parameters() if p.dim() > 1}
    assert found.keys() == expected.keys()
    for key, gradient in found.items():
        torch.testing.assert_close(gradient, expected[key], rtol=1e-9, atol=1e-12)


def test_a_loss_of_a_modules_logits_has_to_be_one(model, images):
    gradients = candidate_of(model, images).loss_gradients
    with pytest.raises(TrainfreeError, match="expected a tensor of one number"):
        gradients(lambda logits: logits)
    with pytest.raises(TrainfreeError, match="found one without a gradient"):
        gradients(lambda logits: logits.detach().sum())
    with pytest.raises(UndefinedScoreError, match="no weight has a gradient") as raised:
        gradients(lambda logits: 0 * logits.sum())
    assert raised.value.score == -math.inf
    edited = gradients(lambda logits: logits.mul_(2).sum())
    for key, gradient in gradients(lambda logits: 2 * logits.sum()).items():
        torch.testing.assert_close(edited[key], gradient, rtol=0, atol=0)


def test_the_module_handed_out_is_the_model_under_the_conditions_of_scoring(model, images):
    candidate = candidate_of(model, images)
    module = candidate.module
    torch.testing.assert_close(module(candidate.images), candidate.logits, rtol=0, atol=0)
    torch.testing.assert_close(
        candidate.logits, model.train()(images).detach(), rtol=1e-12, atol=1e-12
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    torch.testing.assert_close(candidate.module(images), candidate.logits, rtol=0, atol=0)


def test_hutchinsons_trace_of_a_module(model, images):
    needs = frozenset({"weights", "images", "labels", "random"})
    made = Proxy("hessian_trace", hessian_trace, needs)
    found, status, message, _ = attempt(candidate_of(model, images), made, 0)
    assert (status, message) == (Status.OK, "")
    plain, random = copy.deepcopy(model).train(), stream(0, "proxy/hessian_trace", 0)
    weights = [parameter for parameter in plain.parameters() if parameter.dim() > 1]
    loss = F.cross_entropy(plain(images), LABELS)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    signs = [torch.from_numpy(random.choice([-1.0, 1.0], w.shape)) for w in weights]
    products = torch.autograd.grad(gradients, weights, signs)
    expected = sum(float((v * p).sum()) for v, p in zip(signs, products, strict=True))
    assert found == pytest.approx(expected, rel=1e-7)


def test_a_proxy_from_outside_with_modes_of_its_own_sees_the_same_numbers(model, images):
    """Function modes around a proxy are put aside, and those that watch the module work."""
    names = ("relu_kernel", "loss_gradients", "fisher_eigenvalues", "block_entropies")

    def under_a_mode(handed: CheckedCandidate) -> float:
        with torch.device("meta"), torch.no_grad():
            return sum(digest(getattr(handed, name)) for name in names)

    def digest(value: object) -> float:
        if hasattr(value, "values"):
            return sum(float(each.abs().sum()) for each in value.values())
        return float(abs(value).sum())

    model = MODELS["grouped"]().double()
    needs = frozenset(NEEDS)
    found = attempt(candidate_of(model, images), Proxy("outside", under_a_mode, needs), 0)
    candidate = candidate_of(model, images)
    assert found[1:3] == (Status.OK, "")
    assert found[0] == sum(digest(getattr(candidate, name)) for name in names)
