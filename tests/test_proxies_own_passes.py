"""Proxies of single layers, masked passes and curves of inputs against plain hooks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from naive_network import ARCHITECTURES, CELLS, CLOSE, value_of
from naive_network import candidate_of as network_candidate
from scipy.stats import entropy
from test_modules_measures import MODELS
from test_modules_measures import candidate_of as module_candidate
from torch import Tensor, nn

from trainfree.proxies import load_proxy
from trainfree.proxies.features.near import effective_rank
from trainfree.proxies.features.rbflex import contrasts
from trainfree.proxies.registry import Proxy, UndefinedScoreError
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.quantities.own_passes.circle import circle_axes, extrinsic_curvature

pytestmark = pytest.mark.usefixtures("one_thread")

PRODUCTS = (nn.Conv2d, nn.Linear)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)
LAYERS = (*PRODUCTS, *NORMALISATIONS, nn.ReLU, nn.AvgPool2d, nn.MaxPool2d)


@dataclass
class Subject:
    """A candidate, a plain module of the same weights in train mode, and its images."""

    candidate: CheckedCandidate
    module: nn.Module
    images: Tensor
    stream: Callable[[str], np.random.Generator]
    seen: list[tuple[nn.Module, Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            self.seen.append((module, inputs[0].clone(), output.clone()))

        hooks = [
            part.register_forward_hook(hook)
            for part in self.module.modules()
            if isinstance(part, LAYERS)
        ]
        with torch.no_grad():
            self.module(self.images)
        for each in hooks:
            each.remove()


def of_network(architecture: int | str) -> Subject:
    candidate = network_candidate(architecture)
    images = candidate.images.contiguous()
    return Subject(candidate, candidate.module.train(), images, candidate.stream)


def of_module(name: str) -> Subject:
    torch.manual_seed(3)
    model = MODELS[name]().double()
    images = torch.randn(
        6, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    candidate = module_candidate(model, images)
    return Subject(candidate, model.train(), images, lambda what: stream(0, what, 0))


@pytest.fixture(params=[*ARCHITECTURES, *CELLS, *MODELS], scope="module")
def subject(request) -> Subject:
    return (of_module if request.param in MODELS else of_network)(request.param)


def test_near_is_the_sum_of_effective_ranks_of_square_blocks(subject):
    rng, expected = subject.stream("proxy/near"), 0.0
    for module, _, output in subject.seen:
        if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            continue
        rows = output.movedim(1, -1).reshape(-1, output.shape[1])
        count = min(rows.shape)
        start = int(rng.integers(len(rows) - count + 1))
        values = torch.linalg.svdvals(rows[start : start + count]).numpy()
        if values.any():
            expected += math.exp(entropy(values))
    assert value_of("near", subject.candidate) == pytest.approx(expected, **CLOSE)


def test_meco_opt_takes_eight_channels(subject):
    rng, expected, maps = subject.stream("proxy/meco_opt"), 0.0, 0
    for _, _, output in subject.seen:
        features = output[0].flatten(1).numpy() if output.dim() > 2 else output[0].numpy()
        if features.ndim < 2 or features.shape[1] < 2:
            continue
        maps += 1
        channels = len(features)
        few = min(8, channels)
        chosen = sorted(rng.choice(channels, few, replace=False))
        with np.errstate(invalid="ignore"):
            correlation = np.nan_to_num(np.corrcoef(features[chosen]))
        smallest = np.linalg.eigvals(correlation.reshape(few, few)).real.min()
        expected += channels / few * smallest
    if not maps:
        with pytest.raises(UndefinedScoreError, match="more than one position"):
            value_of("meco_opt", subject.candidate)
        return
    assert value_of("meco_opt", subject.candidate) == pytest.approx(expected, **CLOSE)


def test_dextr_is_what_flatness_and_curvature_give_together(subject):
    flatness = 0.0
    for _, _, output in subject.seen:
        values = torch.linalg.svdvals(output[0].reshape(output.shape[1], -1))
        flatness += float(values.min() / values.max()) if values.any() else 0.0
    one, other = circle_axes(subject.images[0].numel(), subject.stream("proxy/output curvature"))
    angle = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    point = torch.from_numpy(one) * angle.cos() + torch.from_numpy(other) * angle.sin()
    a = math.log(1 + flatness)
    if any(isinstance(part, nn.BatchNorm1d) for part in subject.module.modules()):
        # One input in a normalisation over the mini-batch becomes zero: nothing moves.
        assert value_of("dextr", subject.candidate) == pytest.approx(a, **CLOSE)
        return
    outputs = subject.module(point.reshape(1, *subject.images.shape[1:])).flatten()
    v, w = [], []
    for output in outputs:
        (speed,) = torch.autograd.grad(output, angle, create_graph=True)
        (change,) = torch.autograd.grad(speed, angle, retain_graph=True)
        v.append(speed.item())
        w.append(change.item())
    vv, ww, vw = np.dot(v, v), np.dot(w, w), np.dot(v, w)
    kappa = vv**-1.5 * math.sqrt(vv * ww - vw**2)
    assert subject.candidate.output_curvature == pytest.approx(kappa, rel=1e-6)
    b = math.log(1 + kappa)
    assert value_of("dextr", subject.candidate) == pytest.approx(a * b / (a + b), **CLOSE)


def log_determinant(vectors: np.ndarray, gamma: float) -> float:
    """ln det of a radial kernel with sixty digits, by elimination."""
    with localcontext() as context:
        context.prec = 60
        distances = ((vectors[:, None] - vectors[None]) ** 2).sum(2)
        matrix = [[(-Decimal(gamma) * Decimal(float(x))).exp() for x in row] for row in distances]
        total = Decimal(0)
        for place, row in enumerate(matrix):
            total += abs(row[place]).ln()
            for below in matrix[place + 1 :]:
                share = below[place] / row[place]
                below[:] = [x - share * y for x, y in zip(below, row, strict=True)]
        return float(total)


def scaled(outputs: list[Tensor]) -> np.ndarray:
    columns = torch.cat([each.flatten(1) for each in outputs], dim=1).numpy()
    low, high = columns.min(0), columns.max(0)
    return (columns - low) / np.where(high > low, high - low, 1)


def test_rbflex_with_many_digits(subject):
    activations = [output for module, _, output in subject.seen if isinstance(module, nn.ReLU)]
    last = [read for module, read, _ in subject.seen if isinstance(module, PRODUCTS)][-1]
    expected = 6 * (
        log_determinant(scaled(activations), 2.68690173088039e-12)
        + log_determinant(scaled([last]), 1.02460061284506e-11)
    )
    assert value_of("rbflex", subject.candidate) == pytest.approx(expected, rel=1e-6)


def test_swap_regularised_is_swap_times_a_bell(subject):
    codes = [
        (output > 0).flatten(1).T.numpy()
        for module, _, output in subject.seen
        if isinstance(module, nn.ReLU)
    ]
    patterns = {row.tobytes() for code in codes for row in np.ascontiguousarray(code)}
    millions = sum(each.numel() for each in subject.module.parameters()) / 1e6
    expected = len(patterns) * math.exp(-((millions - 1.5) ** 2) / 1.5)
    assert value_of("swap_regularised", subject.candidate) == pytest.approx(expected, **CLOSE)


def masked_codes(subject: Subject) -> list[np.ndarray]:
    """Codes of every ReLU, with masked inputs of convolutions and each image normalised."""
    rng, codes = subject.stream("proxy/ncd"), []
    module = subject.candidate.module

    def mask(part: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        kept = rng.random(tuple(inputs[0].shape[1:]), dtype=np.float32) >= 0.95
        return (inputs[0] * torch.from_numpy(kept),)

    def rescale(part: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return nn.functional.group_norm(inputs[0], 1)

    def note(part: nn.Module, inputs: tuple[Tensor]) -> None:
        codes.append((inputs[0] > 0).flatten(1).numpy())

    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_pre_hook(mask)
        elif isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(rescale)
        elif isinstance(part, nn.ReLU):
            part.register_forward_pre_hook(note)
    with torch.no_grad():
        module(subject.images)
    return codes


def test_ncd_takes_codes_of_a_masked_pass(subject):
    if not any(isinstance(part, nn.Conv2d) for part in subject.module.modules()):
        for name in ("naswot_ncd", "swap_ncd"):
            with pytest.raises(UndefinedScoreError, match="no convolution to mask"):
                value_of(name, subject.candidate)
        return
    codes = masked_codes(subject)
    kernel = np.zeros((6, 6))
    for code in codes:
        bits = code.astype(float)
        kernel += bits @ bits.T + (1 - bits) @ (1 - bits).T
    expected = np.linalg.slogdet(kernel)[1]
    assert value_of("naswot_ncd", subject.candidate) == pytest.approx(expected, **CLOSE)
    columns = {row.tobytes() for code in codes for row in np.ascontiguousarray(code.T)}
    assert value_of("swap_ncd", subject.candidate) == len(columns)


@given(st.floats(-0.99, 0.99))
def test_effective_rank_of_circulant_matrices_has_a_closed_form(rho):
    """The example of Roy and Vetterli, EUSIPCO 2007, who define the effective rank."""
    matrix = np.array([[1, rho, rho**2, rho]])
    matrix = np.concatenate([np.roll(matrix, shift, axis=1) for shift in range(4)])
    shares = np.array([1 + abs(rho), 1 - abs(rho)]) / 2
    assert effective_rank(matrix) == pytest.approx(math.exp(2 * entropy(shares)), rel=1e-6)


def test_effective_rank_of_zeros_is_zero_and_of_one_direction_one():
    assert effective_rank(np.zeros((3, 3))) == 0
    assert effective_rank(np.outer([1.0, 2, 3], [1.0, 1, 2])) == pytest.approx(1)


@given(st.integers(0, 1000), st.floats(0.01, 2))
def test_contrasts_have_the_kernel_s_determinant(seed, gamma):
    points = np.random.default_rng(seed).normal(size=(5, 3))
    distances = ((points[:, None] - points[None]) ** 2).sum(2)
    expected = np.linalg.det(np.exp(-gamma * distances))
    found = np.linalg.det(contrasts(points @ points.T, gamma))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_the_curvature_of_a_circle_is_one_over_its_radius(radius):
    axes = circle_axes(7, np.random.default_rng(0))
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    like = torch.zeros(1, dtype=torch.float64)
    found = extrinsic_curvature(lambda x: radius * x, axes, like)
    assert found == pytest.approx(1 / radius)
    assert math.isnan(extrinsic_curvature(lambda x: x.sum(), axes, like))
    assert math.isnan(extrinsic_curvature(lambda x: 0 * x, axes, like))
    with pytest.raises(UndefinedScoreError, match="does not depend") as raised:
        extrinsic_curvature(lambda x: like, axes, like)
    assert raised.value.score == -math.inf


def test_layers_are_handed_to_proxies_from_outside_as_copies():
    candidate = small_candidate(728)
    before = candidate.over_layers(lambda layer: float(layer.output.sum()))
    kinds: defaultdict[str, int] = defaultdict(int)

    def spoil(layer) -> float:
        kinds[layer.kind] += 1
        layer.output.zero_()
        if layer.input is not None:
            layer.input.zero_()
        return 0.0

    mine = Proxy("mine", lambda given: sum(given.over_layers(spoil)), frozenset(["activations"]))
    assert candidate.score(mine)[0] == 0
    assert candidate.over_layers(lambda layer: float(layer.output.sum())) == before
    assert kinds.keys() == {"product", "normalisation", "activation", "pooling"}


@pytest.mark.parametrize("name", ["near", "rbflex", "naswot_ncd", "swap_ncd"])
def test_a_network_and_its_module_have_the_same_score(name):
    network = small_candidate(500, dtype=torch.float64)
    images = network.images.contiguous()
    module = module_candidate(network.module, images)
    module._backend._given_stream = network.stream
    assert value_of(name, module) == pytest.approx(value_of(name, network), **CLOSE)
    assert load_proxy(name).higher_is_better
