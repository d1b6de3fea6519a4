"""Proxies that go layer by layer against loops over the same network, in double precision."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from naive_network import ARCHITECTURES, CELLS, Naive, candidate_of, value_of
from real_models import REAL_MODELS, torchvision_models
from torch import Tensor, nn
from torch.nn import functional as F

import trainfree
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.module_backend import ModuleBackend
from trainfree.spaces.network import BatchNorm

CLOSE = {"rel": 1e-6}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[*ARCHITECTURES, *CELLS])
def candidate(request) -> CheckedCandidate:
    return candidate_of(request.param)


@pytest.fixture
def naive(candidate) -> Naive:
    return Naive(candidate)


# ---------------------------------------------------------------- formulas, in loops


def participation(rows: np.ndarray) -> float:
    """(Σ λ)² / Σ λ² of the covariance of columns, from its eigenvalues."""
    covariance = np.cov(rows, rowvar=False).reshape(rows.shape[1], -1)
    eigenvalues = np.linalg.eigvalsh(covariance + 1e-10 * np.eye(len(covariance)))
    return eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


def evenness(gradient: np.ndarray) -> float:
    values = gradient.ravel()
    if len(values) < 2:
        return 0.0
    deviation = math.sqrt(sum((v - values.mean()) ** 2 for v in values) / (len(values) - 1))
    return min(1.0, deviation / (max(abs(v) for v in values) + 1e-10))


def intrain_of(rows: list[np.ndarray], gradients: list[np.ndarray]) -> float:
    spread = sum(math.log(participation(each)) for each in rows)
    return spread * (1 + sum(map(evenness, gradients))) / math.log(len(rows) + 1)


def lswag_of(halves: list[tuple[np.ndarray, np.ndarray]], patterns: int) -> float:
    total = 0.0
    for one, other in halves:
        deviations = np.stack([np.abs(one), np.abs(other)]).std(axis=0)
        if deviations.any():
            total += math.log((1 / deviations[deviations > 0]).sum())
    return total * patterns


def t_cet_of(layers: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Of outputs, images first, and Synflow's saliencies of each layer."""
    total = 0.0
    for outputs, saliency in layers:
        codes = [tuple(row.ravel() > 0) for row in outputs]
        kernel = [[sum(a == b for a, b in zip(i, j, strict=True)) for j in codes] for i in codes]
        singular = len(set(codes)) < len(codes)
        noise = saliency.std(ddof=1) if saliency.size > 1 else 0.0
        ratio = saliency.sum() / noise if noise > 0 else saliency.sum()
        total += 0.0 if singular else np.linalg.slogdet(np.array(kernel, float))[1] * ratio
    return total


def nuclear(matrix: np.ndarray) -> float:
    return np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T).clip(0)).sum()


# ---------------------------------------------------------------- networks as data


def positions_first(x: Tensor) -> np.ndarray:
    values = x.detach().numpy()
    return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])


def half_gradients(naive: Naive) -> list[tuple[np.ndarray, np.ndarray]]:
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        logits = naive.run(naive.batch[part])[naive.network.output]
        loss = F.cross_entropy(logits, naive.labels[part])
        halves.append(torch.autograd.grad(loss, list(naive.weights.values()), allow_unused=True))
    return [(a.numpy(), b.numpy()) for a, b in zip(*halves, strict=True) if a is not None]


def test_intrain_of_features_and_of_all_parameters(candidate, naive):
    naive.biases = {n: bias.clone().requires_grad_() for n, bias in naive.biases.items()}
    values = naive.run()
    F.cross_entropy(values[naive.network.output], naive.labels).backward()
    gradients = [each.grad for each in (*naive.weights.values(), *naive.biases.values())]
    for number, node in enumerate(naive.network.nodes):
        # A normalisation's output is multiplied by ones, and zeros are added.
        if isinstance(node, BatchNorm) and values[number].grad is not None:
            passed = values[number].grad
            gradients += [(passed * values[number]).sum((0, 2, 3)), passed.sum((0, 2, 3))]
    known = [each.detach().numpy() for each in gradients if each is not None]
    rows = [positions_first(values[number]) for number in naive.weights]
    assert value_of("intrain", candidate) == pytest.approx(intrain_of(rows, known), **CLOSE)


def test_lswag_of_halves_and_patterns(candidate, naive):
    expected = lswag_of(half_gradients(naive), int(value_of("swap", candidate)))
    assert value_of("lswag", candidate) == pytest.approx(expected, **CLOSE)


def test_zico_bc_takes_from_zico_what_maps_are_large_and_narrow(candidate, naive):
    values = naive.run()
    penalty = 0.0
    for number in naive.weights:
        _, channels, *size = values[number].shape
        height, width = size or (1, 1)
        penalty += math.log(height * width / math.sqrt(channels))
    expected = value_of("zico", candidate) - penalty
    assert value_of("zico_bc", candidate) == pytest.approx(expected, **CLOSE)
    assert penalty > 5


def test_t_cet_of_codes_and_synaptic_flow(candidate, naive):
    values = naive.run()
    outputs = {number: values[number].detach().numpy() for number in naive.weights}
    naive.weights = {n: w.detach().abs().requires_grad_() for n, w in naive.weights.items()}
    naive.biases = {n: bias.abs() for n, bias in naive.biases.items()}
    ones = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    total = naive.run(ones, normalise=False)[naive.network.output].sum()
    found = torch.autograd.grad(total, list(naive.weights.values()), allow_unused=True)
    layers = [
        (outputs[number], (weight * gradient).abs().detach().numpy())
        for (number, weight), gradient in zip(naive.weights.items(), found, strict=True)
        if gradient is not None
    ]
    assert value_of("t_cet", candidate) == pytest.approx(t_cet_of(layers), **CLOSE)


def test_trainable_tensors_counts_each_once(candidate):
    tensors = list(candidate.module.parameters())
    assert value_of("trainable_tensors", candidate) == len(tensors)


# ---------------------------------------------------------------- torch modules


class Block(nn.Module):
    """A transformer's block with all its layers side by side, on tokens of an image."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.back = nn.Linear(width, 3 * width), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.head = nn.Linear(width, 10)

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return (q @ k.mT / 8**0.5).softmax(-1) @ v

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).mT
        x = x + self.back(self.attend(self.first(x)))
        x = x + self.down(F.gelu(self.up(self.second(x))))
        return self.head(x.mean(1))


class Fused(Block):
    """The same, by PyTorch's own function."""

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = (each[:, None] for each in self.qkv(x).chunk(3, dim=-1))
        return F.scaled_dot_product_attention(q, k, v)[:, 0]


class Gated(Block):
    """The same with a bias on its scores and a gate on what it returns."""

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.mT / 8**0.5 + x.mean(-1)[:, None]
        return torch.sigmoid(x) * (scores.softmax(-1) @ v)


def convolutions() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.ConvTranspose2d(6, 4, 2, stride=2), nn.GELU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(4, 10)),
    )


IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3)).double()
LABELS = torch.tensor([0, 3, 1, 4, 9, 2])


def made(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build().double()


def of_module(build: Callable[[], nn.Module], images: Tensor = IMAGES) -> CheckedCandidate:
    return CheckedCandidate(ModuleBackend(made(build), images, PhaseClock(), LABELS))


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    return {name: part for name, part in model.named_modules() if isinstance(part, kinds)}


def outputs_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Outputs of layers by name, images and positions by channels."""
    found: dict[str, np.ndarray] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(part: nn.Module, _: object, output: Tensor) -> None:
            axis = output.dim() - 1 if isinstance(part, nn.Linear) else 1
            found[name] = output.detach().movedim(axis, -1).numpy()

        return hook

    hooks = [part.register_forward_hook(note(name)) for name, part in layers_of(model).items()]
    model.train()(IMAGES)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("build", [Block, convolutions])
def test_modules_give_what_hooks_and_autograd_do(build):
    candidate, model = of_module(build), made(build)
    outputs = outputs_of(model)
    F.cross_entropy(model(IMAGES), LABELS).backward()
    rows = [each.reshape(-1, each.shape[-1]) for each in outputs.values()]
    gradients = [each.grad.numpy() for each in model.parameters()]
    assert value_of("intrain", candidate) == pytest.approx(intrain_of(rows, gradients), **CLOSE)
    assert value_of("trainable_tensors", candidate) == len(gradients)
    penalty = sum(
        math.log(each[0, ..., 0].size / math.sqrt(each.shape[-1])) for each in outputs.values()
    )
    expected = value_of("zico", candidate) - penalty
    assert value_of("zico_bc", candidate) == pytest.approx(expected, **CLOSE)
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        loss = F.cross_entropy(model(IMAGES[part]), LABELS[part])
        weights = [layer.weight for layer in layers_of(model).values()]
        halves.append([g.numpy() for g in torch.autograd.grad(loss, weights)])
    expected = lswag_of(list(zip(*halves, strict=True)), int(value_of("swap", candidate)))
    assert value_of("lswag", candidate) == pytest.approx(expected, **CLOSE)


def ones_gradients(model: nn.Module) -> dict[str, np.ndarray]:
    """∂R/∂|θ| by layer, with batch normalisation taken out."""
    for name, part in model.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            model.set_submodule(name, nn.Identity())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    model.zero_grad()
    model(torch.ones(1, 3, 8, 8).double()).sum().backward()
    return {name: layer.weight.grad.numpy() for name, layer in layers_of(model).items()}


@pytest.mark.parametrize("build", [Block, convolutions])
def test_t_cet_of_modules(build):
    model = made(build)
    outputs, gradients = outputs_of(model), ones_gradients(model)
    layers = [
        (outputs[name], np.abs(gradients[name] * layer.weight.detach().numpy()))
        for name, layer in layers_of(model).items()
    ]
    assert value_of("t_cet", of_module(build)) == pytest.approx(t_cet_of(layers), **CLOSE)


@pytest.mark.parametrize("build", [Block, Fused, Gated])
def test_dss_takes_spectra_of_attention_and_saliency_of_all_else(build):
    model = made(build)
    gradients, total = ones_gradients(model), 0.0
    for name, layer in layers_of(model).items():
        gradient, weight = gradients[name], layer.weight.detach().numpy()
        if name in ("qkv", "back"):
            total += nuclear(gradient) * nuclear(weight)
        else:
            total += np.abs(gradient * weight).sum()
    candidate = of_module(build)
    assert candidate.attention_weights == {"qkv.weight", "back.weight"}
    assert value_of("dss", candidate) == pytest.approx(total, **CLOSE)


@pytest.mark.parametrize("name", ["small ViT", "transformer of tokens"])
def test_attention_of_pytorch_is_found(name):
    model = REAL_MODELS[name]
    with torch.random.fork_rng(devices=[]):
        candidate = CheckedCandidate(ModuleBackend(model.made(), model.batch()[0], PhaseClock()))
    names = {n for n, _ in model.made().named_parameters()}
    pattern = re.compile(r"attn|attention")
    assert candidate.attention_weights == {
        each for each in names if pattern.search(each) and each.endswith("weight")
    }


def test_attention_in_windows_is_found_without_the_network_of_its_bias():
    build = lambda: torchvision_models().SwinTransformer(  # noqa: E731
        *([2, 2], 8, [1, 1], [2, 2], [2, 2]),
        block=torchvision_models().swin_transformer.SwinTransformerBlockV2,
        downsample_layer=torchvision_models().swin_transformer.PatchMergingV2,
        num_classes=10,
    )
    found = of_module(build, IMAGES).attention_weights
    names = {name for name, x in made(build).named_parameters() if x.dim() == 2}
    assert found == {each for each in names if re.search(r"attn\.(qkv|proj)\.weight", each)}
    assert found < names


@pytest.mark.parametrize("name", ["MLP", "LSTM of tokens", "U-Net", "mobilenet_v3_small"])
def test_networks_without_attention_have_none(name):
    model = REAL_MODELS[name]
    inputs, labels = model.batch()
    table = trainfree.score(model.made(), inputs, labels=labels, proxies=["dss"])
    assert table["status"].tolist() == ["undefined"]
    assert "has no attention" in table["message"][0]


def test_networks_as_data_have_no_attention(candidate):
    with pytest.raises(UndefinedScoreError, match="has no attention"):
        value_of("dss", candidate)


def test_a_layer_called_twice_counts_once_in_the_penalty_and_twice_in_the_features():
    shared = nn.Conv2d(4, 4, 3, padding=1)
    build = lambda: nn.Sequential(  # noqa: E731
        *(nn.Conv2d(3, 4, 1), shared, nn.ReLU(), nn.MaxPool2d(2), shared),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)),
    )
    candidate = of_module(build)
    features = {key: tuple(x.shape) for key, x in candidate.layer_features.items()}
    assert features == {
        "0.weight": (6, 4, 64),
        "1.weight": (6, 4, 64),
        "1.weight#2": (6, 4, 16),
        "7.weight": (6, 10, 1),
    }
    penalty = 2 * math.log(64 / 2) - math.log(math.sqrt(10))
    expected = value_of("zico", candidate) - penalty
    assert value_of("zico_bc", candidate) == pytest.approx(expected, **CLOSE)
