"""The methods: gradients against finite differences, what is drawn against distributions."""

from __future__ import annotations

import math
from itertools import islice, product

import numpy as np
import pytest
import torch
from scipy import stats
from sharing_fixtures import SPACE, method_of, pictures
from torch.nn import functional as F

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.weight_sharing.feed import PHASES, Clock, Feed, Meter
from trainfree.weight_sharing.method import AlphaMethod, Method, learning_rate
from trainfree.weight_sharing.methods import METHOD_NAMES, load_method
from trainfree.weight_sharing.methods.darts_v2 import SecondOrderDarts
from trainfree.weight_sharing.methods.enas import Enas
from trainfree.weight_sharing.methods.gdas import Gdas, straight_through
from trainfree.weight_sharing.methods.setn import likeliest
from trainfree.weight_sharing.pictures import Batch
from trainfree.weight_sharing.presets import PRESETS, SETTINGS, settings_of

pytestmark = pytest.mark.usefixtures("one_thread")


def feed_of(method: Method, epoch: int = 0) -> Feed:
    return Feed(pictures(), method.settings, 0, 0, epoch)


def batch_of(seed: int, count: int = 6) -> Batch:
    """Return images in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64)
    return Batch(images, torch.randint(10, (count,), generator=generator))


def in_double(method: Method) -> AlphaMethod:
    """Return the method with everything in float64, and operations that differ."""
    assert isinstance(method, AlphaMethod)
    method.network.double()
    drawn = torch.randn(6, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    method.alphas.data = drawn
    for weight in method.network.parameters():
        weight.grad = torch.zeros_like(weight)
    return method


@pytest.mark.parametrize("momentum", [False, True])
def test_the_second_order_gradient_is_that_of_the_loss_after_a_step(momentum, monkeypatch):
    """Against differences of the loss itself, with activations that have second derivatives."""
    monkeypatch.setattr(F, "relu", F.softplus)
    method = in_double(method_of("darts_v2", channels=2, learning_rate=0.2, weight_decay=0.01))
    assert isinstance(method, SecondOrderDarts)
    batch, other = batch_of(1), batch_of(2)
    if momentum:
        logits = method.network.mixture(batch_of(3).images, method.mixed().detach())
        method.step_weights(logits, batch_of(3), Meter())
    weights = list(method.network.parameters())
    kept = [weight.detach().clone() for weight in weights]
    statistics = [buffer.clone() for buffer in method.network.buffers()]
    rate = method.optimizer.param_groups[0]["lr"]

    def after_a_step(alphas: torch.Tensor) -> float:
        """Return the loss of the architecture's images after a step with these numbers."""
        mixed = torch.softmax(alphas, dim=1)
        loss = F.cross_entropy(method.network.mixture(batch.images, mixed), batch.labels)
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient, was in zip(weights, gradients, kept, strict=True):
                moment = method.optimizer.state[weight].get("momentum_buffer", 0.0)
                weight.copy_(was - rate * (0.9 * moment + gradient + 0.01 * was))
            moved = F.cross_entropy(method.network.mixture(other.images, mixed), other.labels)
            for weight, was in zip(weights, kept, strict=True):
                weight.copy_(was)
        return float(moved)

    found, _, loss = method.gradient(batch, other, step=1e-4)
    assert all(torch.equal(weight, was) for weight, was in zip(weights, kept, strict=True))
    assert all(map(torch.equal, statistics, method.network.buffers()))
    alphas = method.alphas.detach()
    assert float(loss) == pytest.approx(after_a_step(alphas), rel=1e-12)
    width = 1e-5
    for edge, code in ((0, 1), (1, 3), (3, 2), (5, 4), (4, 0)):
        change = torch.zeros_like(alphas)
        change[edge, code] = width
        oracle = (after_a_step(alphas + change) - after_a_step(alphas - change)) / (2 * width)
        assert float(found[edge, code]) == pytest.approx(oracle, rel=1e-4, abs=1e-7)
    published, _, _ = method.gradient(batch, other)
    assert torch.allclose(published, found, rtol=0.1, atol=0.02 * float(found.norm()))
    # What the second order adds is no rounding: without it the test would fail.
    mixed = method.network.mixture(other.images, method.mixed())
    (first,) = torch.autograd.grad(F.cross_entropy(mixed, other.labels), [method.alphas])
    assert float((found - first).norm() / first.norm()) > 0.05


@pytest.mark.parametrize("tau", [10.0, 0.1])
def test_gdas_draws_by_the_softmax_whatever_the_temperature(tau):
    alphas = torch.tensor([[0.0, 1.0, -1.0, 0.5, 2.0]] * 6, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    counts = np.zeros(5)
    for _ in range(400):
        digits, hard = straight_through(alphas, tau, generator)
        counts += np.bincount(digits, minlength=5)
        one_hot = F.one_hot(torch.tensor(digits), 5).double()
        assert torch.allclose(hard, one_hot, atol=1e-12)
    likely = torch.softmax(alphas[0], dim=0).numpy()
    assert stats.chisquare(counts, 2400 * likely).pvalue > 0.01


def test_gdas_has_the_gradient_of_the_softmax_with_the_same_noise():
    alphas = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    alphas.requires_grad_()
    direction = torch.randn(6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    _, hard = straight_through(alphas, 3.0, torch.Generator().manual_seed(5))
    (found,) = torch.autograd.grad((hard * direction).sum(), [alphas])
    exponential = torch.empty(6, 5, dtype=torch.float64)
    noise = -exponential.exponential_(generator=torch.Generator().manual_seed(5)).log()
    soft = torch.softmax((torch.log_softmax(alphas, 1) + noise) / 3.0, 1)
    (wanted,) = torch.autograd.grad((soft * direction).sum(), [alphas])
    assert torch.allclose(found, wanted)


def test_gdas_gives_every_number_a_gradient_but_computes_one_operation():
    method = in_double(method_of("gdas"))
    assert isinstance(method, Gdas)
    batch = batch_of(1)
    with torch.no_grad():
        method.alphas[:, 3] = 30.0  # conv 3x3 is drawn
    digits, hard = straight_through(method.alphas, 10.0, torch.Generator().manual_seed(1))
    logits = method.network.chosen(batch.images, digits, hard)
    assert torch.allclose(logits, method.network.chosen(batch.images, digits))
    method.alphas.grad = None
    F.cross_entropy(logits, batch.labels).backward()
    assert (method.alphas.grad != 0).all()
    unused = [
        leaving[name].weight.grad
        for block in method.network.blocks
        for leaving in getattr(block, "convolutions", [])
        for name in leaving
        if name == "nor_conv_1x1"
    ]
    assert unused
    assert all((gradient == 0).all() for gradient in unused)


@pytest.mark.parametrize("name", ["setn", "rsps"])
def test_weights_are_trained_by_architectures_drawn_uniformly(name):
    method, generator = method_of(name), torch.Generator().manual_seed(3)
    drawn = np.array([method.random_digits(generator) for _ in range(4000)])
    for edge in drawn.T:
        assert stats.chisquare(np.bincount(edge, minlength=5)).pvalue > 0.01
    pairs = np.bincount(drawn[:, 0] * 5 + drawn[:, 5], minlength=25)
    assert stats.chisquare(pairs).pvalue > 0.01  # edges do not know of each other


@pytest.mark.parametrize("name", ["setn", "rsps"])
def test_what_trains_the_weights_is_what_is_drawn(name, monkeypatch):
    """The steps themselves: each network pass of the weights has the next drawn architecture."""
    method, seen = method_of(name), []
    chosen = method.network.chosen

    def watched(images, digits, weights=None):
        seen.append(tuple(digits))
        return chosen(images, digits, weights)

    monkeypatch.setattr(method.network, "chosen", watched)
    method.train(feed_of(method), Clock(torch.device("cpu")))
    generator = feed_of(method).generator("sampled")
    assert seen == [tuple(method.random_digits(generator)) for _ in seen]
    assert len(seen) == 2  # batches of 16 of 32 images


def test_setn_compares_the_likeliest_architectures():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), size=6)
    products = [
        math.prod(probabilities[edge, code] for edge, code in enumerate(digits))
        for digits in product(range(5), repeat=6)
    ]
    best = sorted(range(len(SPACE)), key=lambda index: -products[index])[:50]
    assert likeliest(probabilities, 50).tolist() == best
    assert len(likeliest(probabilities, 10**6)) == len(SPACE)


def test_the_probabilities_of_enas_are_those_of_what_it_draws():
    method = method_of("enas")
    assert isinstance(method, Enas)
    with torch.no_grad():
        for weight in method.controller.parameters():
            weight.mul_(20)  # that it prefers something
    likely = method.probabilities()
    assert np.allclose(likely.sum(axis=1), 1)
    drawn = method.controller.sample(4000, torch.Generator().manual_seed(1)).choices.numpy()
    for edge in range(6):
        counts = np.bincount(drawn[:, edge], minlength=5)
        assert stats.chisquare(counts, 4000 * likely[edge]).pvalue > 0.01
    assert likely.max() > 0.25


def test_the_best_of_some_candidates_is_found_each_on_a_batch_of_its_own():
    method = method_of("rsps", evaluation_batch_size=8)
    candidates = np.array([3, 14, 15_000, 3, 77])
    batches = feed_of(method).compared()
    right = []
    with method.network.evaluating():
        for arch, batch in zip(candidates, islice(batches, 5), strict=True):
            logits = method.network.chosen(batch.images, SPACE.digits(int(arch)))
            right.append(int((logits.argmax(1) == batch.labels).sum()))
    best = method.best_of(candidates, feed_of(method))
    assert best == candidates[int(np.argmax(right))]


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_steps_lower_the_loss_of_images_that_are_seen_again(name):
    method = method_of(
        name, channels=2, learning_rate=0.1, last_learning_rate=0.1, weight_decay=0.0
    )
    clock, losses = Clock(torch.device("cpu")), []
    for epoch in range(10):
        method.begin_epoch(epoch)
        feed = Feed(pictures(16), method.settings, 0, 0, epoch)
        losses.append(method.train(feed, clock).weights.loss)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert clock.seconds["weights"] > 0
    assert (clock.seconds["architecture"] > 0) == (name != "rsps")
    assert set(clock.seconds) == set(PHASES)
    likely = method.probabilities()
    assert likely.shape == (6, 5)
    assert np.allclose(likely.sum(axis=1), 1)
    assert 0 <= method.choose(feed_of(method), last=True) < len(SPACE)


@pytest.mark.parametrize("name", ["darts_v1", "darts_v2", "gdas", "setn"])
def test_architecture_steps_go_down_the_loss(name):
    """Adam's first step is against the sign of the gradient, wherever the decay is small."""
    method = in_double(method_of(name, architecture_weight_decay=0.0))
    gradient = torch.linspace(-1, 1, 30, dtype=torch.float64).reshape(6, 5)
    before = method.alphas.detach().clone()
    method.step_architecture(gradient)
    assert torch.equal(torch.sign(method.alphas.detach() - before), -torch.sign(gradient))


def test_rates_and_temperatures_are_those_of_the_scripts():
    settings = settings_of("darts_v1", "nasbench201", {}, "x")
    assert learning_rate(settings, 0) == pytest.approx(0.025)
    assert learning_rate(settings, 25) == pytest.approx(0.013)
    assert learning_rate(settings, 50) == pytest.approx(0.001)
    enas = settings_of("enas", "nasbench201", {}, "x")
    assert learning_rate(enas, 10) == pytest.approx(5e-4)
    assert learning_rate(enas, 20) == pytest.approx(0.05)  # its cosine turns and rises again
    gdas = method_of("gdas", epochs=250)
    assert isinstance(gdas, Gdas)
    temperatures = []
    for epoch in (0, 124, 249):
        gdas.begin_epoch(epoch)
        temperatures.append(gdas.tau)
    assert temperatures == pytest.approx([10.0, 10 - 9.9 * 124 / 249, 0.1])


def test_every_method_has_settings_and_every_file_a_method():
    assert set(SETTINGS) == set(METHOD_NAMES)
    for preset in PRESETS:
        for name in METHOD_NAMES:
            running = settings_of(name, preset, {}, "x").running_statistics
            assert running == (preset == "nasbench201_running")
    with pytest.raises(UnknownNameError, match="did you mean 'darts_v2'"):
        load_method("darts_v3")
    with pytest.raises(UnknownNameError, match="did you mean 'gdas'"):
        settings_of("gda", "nasbench201", {}, "x")
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        settings_of("gdas", "nasbench202", {}, "x")
    with pytest.raises(ConfigError, match=r"here\.setn: .*sample: unknown key; did you mean"):
        settings_of("setn", "nasbench201", {"sample": 3}, "here")
    with pytest.raises(ConfigError, match=r"here\.gdas: .*tau: .*greater than 0, found 0"):
        settings_of("gdas", "nasbench201", {"tau": 0}, "here")
