"""Networks as they are used: every proxy gives a number or a reason, counts are true."""

from __future__ import annotations

import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from model_matrix import outcomes
from real_models import BATCH, REAL_MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import trainfree
from trainfree.proxies import PROXY_NAMES

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = [
    pytest.param(name, marks=pytest.mark.slow if model.slow else (), id=name)
    for name, model in REAL_MODELS.items()
]
STATUSES = {"ok", "singular", "undefined", "overflow", "not_finite"}


@cache
def scored(name: str) -> pd.DataFrame:
    return outcomes(name, REAL_MODELS[name]).set_index("proxy")


@pytest.mark.parametrize("name", ALL)
def test_every_proxy_gives_a_number_or_a_status_with_a_reason(name):
    table = scored(name)
    assert list(table.index) == PROXY_NAMES
    for proxy, row in table.iterrows():
        assert row.status in STATUSES, f"{proxy}: {row.status}: {row.message}"
        if row.status == "ok":
            assert math.isfinite(row.score), proxy
        else:
            assert len(row.message) > 10, f"{proxy} is {row.status} and does not say why"


def biases_added(model: nn.Module, inputs: object) -> int:
    """Run a model and count the outputs that have a linear layer's bias, attention's included."""
    count = 0

    def note(module: nn.Module, _: object, made: object) -> None:
        nonlocal count
        if isinstance(module, nn.MultiheadAttention):
            count += 4 * made[0].numel()  # query, key, value and what leaves
        elif module.bias is not None:
            count += made.numel()

    for module in model.modules():
        if isinstance(module, nn.Linear | nn.MultiheadAttention):
            module.register_forward_hook(note)
    model(inputs)
    return count


@pytest.mark.parametrize("name", [each for each in ALL if "tokens" not in each.id])
def test_parameters_and_operations_are_those_of_torch(name):
    table, model = scored(name), REAL_MODELS[name].made()
    assert table.score["params"] == sum(parameter.numel() for parameter in model.parameters())
    inputs, _ = REAL_MODELS[name].batch()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    math_only = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    try:
        with torch.no_grad(), math_only, FlopCounterMode(display=False) as counter:
            biases = biases_added(model.eval(), inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert table.score["flops"] * BATCH == counter.get_total_flops() / 2 + biases


def test_operations_of_an_lstm_are_those_of_its_gates():
    features, length, layers, classes = 32, 12, 2, 10
    step = 4 * features * (features + features + 2)  # two products of four gates, two biases
    expected = layers * length * step + features * classes + classes
    assert scored("LSTM of tokens").score["flops"] == expected


def test_operations_of_a_transformer_are_those_of_its_products():
    features, hidden, length, layers, classes = 32, 64, 12, 2, 10
    projections = 4 * (features * features + features)
    attention = 2 * length * features
    perceptron = 2 * features * hidden + hidden + features
    expected = layers * length * (projections + attention + perceptron)
    expected += features * classes + classes
    assert scored("transformer of tokens").score["flops"] == expected


def test_naswot_of_resnet18_is_that_of_ten_lines_with_hooks():
    model, (images, _) = REAL_MODELS["resnet18"].made().double(), REAL_MODELS["resnet18"].batch()
    images = images.double()
    kernel = np.zeros((BATCH, BATCH))

    def hook(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        code = (inputs[0] > 0).flatten(1).double().numpy()
        kernel[:] += code @ code.T + (1 - code) @ (1 - code).T

    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(hook)
    with torch.no_grad():
        model.train()(images)
    expected = np.linalg.slogdet(kernel)[1]
    plain = REAL_MODELS["resnet18"].made().double()
    table = trainfree.score(plain, images, proxies=["naswot", "naswot_official", "relu_units"])
    found = table.set_index("proxy").score
    assert found["naswot"] == pytest.approx(expected, rel=1e-12)
    assert found["naswot_official"] == pytest.approx(expected, rel=1e-12)  # no ReLUConvBN there
    assert found["relu_units"] == kernel[0, 0]


def test_the_page_has_all_models_and_all_proxies(repository):
    text = (repository / "docs" / "model-matrix.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["proxy", *REAL_MODELS]
    assert [row[0].strip("`") for row in rows[2:]] == PROXY_NAMES
    reasons = re.findall(r"^(\d+)\. (\w+): .{10}", text, flags=re.MULTILINE)
    named = {found for row in rows[2:] for each in row for found in re.findall(r"\((\d+)\)$", each)}
    assert named == {number for number, _ in reasons}
    assert {status for _, status in reasons} <= STATUSES
    for row in rows[2:]:
        assert len(row) == len(rows[0])
        assert all(re.fullmatch(r"−?[\d.]+(e[+−]\d+)?|(–|−∞) \(\d+\)", one) for one in row[1:]), row
