"""Weights of modules drawn anew: from one stream alone, as the engine's, and nothing else moved."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from trainfree.scoring.modules.redraw import redraw
from trainfree.scoring.weights import draw_weights
from trainfree.spaces.network import NetworkBuilder

pytestmark = pytest.mark.usefixtures("one_thread")

INITIALIZATIONS = ("pytorch", "xavier", "kaiming", "normal")


class Mixed(nn.Module):
    """Layers of all kinds, and a parameter that nothing resets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, groups=1)
        self.depthwise = nn.Conv2d(16, 16, 3, groups=16)
        self.up = nn.ConvTranspose2d(16, 64, 2)
        self.normed = weight_norm(nn.Conv1d(8, 32, 3))
        self.spectral = spectral_norm(nn.Linear(16, 32))
        self.norm = nn.BatchNorm2d(16)
        self.layer_norm = nn.LayerNorm([4, 4])
        self.embedding = nn.Embedding(50, 16)
        self.attention = nn.MultiheadAttention(16, 2)
        self.lstm = nn.LSTM(16, 8, bidirectional=True)
        self.linear = nn.Linear(16, 10)
        self.position = nn.Parameter(torch.randn(1, 4, 16))


@pytest.fixture
def model() -> Mixed:
    torch.manual_seed(7)
    made = Mixed()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.rand_like(parameter))
        made.norm.running_mean.fill_(3)
        made.norm.running_var.fill_(5)
    return made


def drawn(
    model: nn.Module, initialization: str, seed: int = 3
) -> tuple[nn.Module, tuple[str, ...]]:
    made = copy.deepcopy(model)
    return made, redraw(made, initialization, np.random.default_rng(seed))


def same(one: nn.Module, other: nn.Module) -> list[str]:
    theirs = other.state_dict()
    return [name for name, tensor in one.state_dict().items() if torch.equal(tensor, theirs[name])]


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
def test_weights_follow_from_the_stream_alone(model, initialization):
    one, _ = drawn(model, initialization)
    torch.rand(3)
    np.random.rand(3)  # noqa: NPY002
    other, _ = drawn(model, initialization)
    assert same(one, other) == list(one.state_dict())
    third, _ = drawn(model, initialization, seed=4)
    random_ones = {"conv.weight", "up.weight", "embedding.weight", "attention.in_proj_weight"}
    assert random_ones.isdisjoint(same(one, third))


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
def test_everything_is_drawn_but_what_nothing_resets(model, initialization):
    made, kept = drawn(model, initialization)
    assert kept == ("position",)
    unchanged = set(same(made, model)) - {"norm.num_batches_tracked"}
    assert unchanged == {"position"}
    assert made.norm.running_mean.tolist() == [0] * 16
    assert made.norm.running_var.tolist() == [1] * 16
    for norm in (made.norm, made.layer_norm):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert not norm.bias.any()


def test_the_default_of_torch_is_what_its_layers_draw(model):
    made, _ = drawn(model, "pytorch")
    bound = (3 * 9) ** -0.5
    assert bound * 0.9 < made.conv.weight.abs().max() <= bound
    assert bound * 0.5 < made.conv.bias.abs().max() <= bound
    assert made.embedding.weight.std().item() == pytest.approx(1, abs=0.1)
    assert not made.attention.in_proj_bias.any()
    assert made.normed.weight.abs().max() <= 24**-0.5 * 1.001


FANS = {
    "conv": (27, 144),
    "depthwise": (9, 144),
    "up": (64, 256),
    "normed": (24, 96),
    "linear": (16, 10),
}


@pytest.mark.parametrize("layer", FANS)
def test_scales_are_those_of_the_engine(model, layer):
    fan_in, fan_out = FANS[layer]
    xavier = getattr(drawn(model, "xavier")[0], layer)
    bound = (6 / (fan_in + fan_out)) ** 0.5
    assert bound * 0.9 < xavier.weight.abs().max() <= bound * 1.001
    assert not xavier.bias.any()
    kaiming = getattr(drawn(model, "kaiming")[0], layer)
    deviation = (2 / fan_in) ** 0.5
    assert kaiming.weight.std().item() == pytest.approx(deviation, rel=0.2)
    assert getattr(drawn(model, "normal")[0], layer).weight.std().item() == pytest.approx(
        1, abs=0.2
    )


@pytest.mark.parametrize("initialization", ["xavier", "kaiming", "normal"])
def test_the_engine_draws_the_same_distribution(initialization):
    builder = NetworkBuilder()
    conv = builder.conv(builder.input(3, 8), 64, kernel=3)
    rng = np.random.default_rng(0)
    engine = draw_weights(builder.network(), initialization, rng).weight[conv]
    model = nn.Sequential(nn.Conv2d(3, 64, 3, bias=False))
    redraw(model, initialization, np.random.default_rng(0))
    assert model[0].weight.std().item() == pytest.approx(engine.std(), rel=0.1)


def test_single_and_double_precision_have_the_same_numbers(model):
    single, _ = drawn(model, "kaiming")
    double, _ = drawn(model.double(), "kaiming")
    assert double.linear.weight.dtype == torch.float64
    assert torch.equal(double.linear.weight.float(), single.linear.weight)


def test_the_generators_of_the_process_stay_as_they_are(model):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    drawn(model, "xavier")
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_parameters_stay_the_same_objects_and_frozen_ones_frozen(model):
    model.conv.requires_grad_(False)
    before = dict(model.named_parameters())
    redraw(model, "kaiming", np.random.default_rng(0))
    assert all(before[name] is parameter for name, parameter in model.named_parameters())
    assert not model.conv.weight.requires_grad
    assert model.linear.weight.requires_grad
    assert all(parameter.grad_fn is None for parameter in model.parameters())


def test_a_parent_has_the_last_word():
    class Zeroed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 4)
            self.scale = nn.Parameter(torch.rand(3))

        def reset_parameters(self) -> None:
            nn.init.zeros_(self.last.weight)
            nn.init.ones_(self.scale)

    model = nn.Sequential(Zeroed())
    assert redraw(model, "pytorch", np.random.default_rng(0)) == ()
    assert not model[0].last.weight.any()
    assert torch.equal(model[0].scale, torch.ones(3))
    assert redraw(model, "pytorch", np.random.default_rng(1)) == ()


def test_a_reset_that_needs_arguments_is_not_called():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(3, 3))

        def reset_parameters(self, deviation: float) -> None:
            raise AssertionError(deviation)

    model = Odd()
    assert redraw(model, "pytorch", np.random.default_rng(0)) == ("weight",)
    assert redraw(model, "kaiming", np.random.default_rng(0)) == ()
