"""The size space of NATS-Bench against its published files, and its network against plain torch."""

from __future__ import annotations

import gzip
import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.errors import ArchitectureError, ImageError, SourceError, UnknownNameError
from trainfree.randomness import stream
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.network_module import space_module
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Relu
from trainfree.spaces.protocol import EdgeSpace

SPACE = load_space("nats_sss")
indices = st.integers(0, len(SPACE) - 1)
WIDTHS = range(8, 65, 8)


@given(indices)
def test_every_encoding_leads_back(index):
    assert SPACE.index_of(SPACE.digits(index)) == index
    assert SPACE.parse(SPACE.to_string(index)) == index
    assert SPACE.to_string(index) == ":".join(map(str, SPACE.channels(index)))


def test_the_order_is_the_published_one():
    assert len(SPACE) == 32_768
    assert isinstance(SPACE, EdgeSpace)
    assert [SPACE.channels(i) for i in range(len(SPACE))] == list(product(WIDTHS, repeat=5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "5 widths"),
        ("8:8:8:8", "found 4"),
        ("8:8:8:8:72", "found '72'"),
        ("8:8:8:8:08", "found '08'"),
        ("|none~0|", "5 widths"),
    ],
)
def test_malformed_texts_say_what_is_wrong(text, words):
    with pytest.raises(ArchitectureError, match=words) as caught:
        SPACE.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("index", [-1, 32_768])
def test_indices_outside_are_refused(index):
    with pytest.raises(ArchitectureError, match="0 to 32767"):
        SPACE.channels(index)


@given(indices)
def test_neighbours_differ_in_one_width(index):
    near = SPACE.neighbours(index)
    assert len(set(near)) == 35
    here = np.array(SPACE.channels(index))
    assert all((np.array(SPACE.channels(other)) != here).sum() == 1 for other in near)


def test_mutations_are_drawn_as_their_rules_say():
    rng, index = np.random.default_rng(0), 4_321
    ours = [SPACE.mutate(index, rng, "one_change") for _ in range(7_000)]
    assert set(ours) == set(SPACE.neighbours(index))
    published = [SPACE.mutate(index, rng, "published") for _ in range(8_000)]
    assert set(published) == {index, *SPACE.neighbours(index)}
    assert published.count(index) == pytest.approx(1_000, abs=150)
    with pytest.raises(UnknownNameError, match="one_change"):
        SPACE.mutate(index, rng, "edge")


def test_images_of_odd_sizes_are_refused():
    with pytest.raises(ImageError, match="nats_sss"):
        build_network(SPACE, 0, 30, 10)


@pytest.mark.shared_data
def test_parameters_are_the_tabulated_ones_of_all_networks(shared_data):
    table = pd.read_csv(shared_data / "nats_sss" / "nats_sss_90ep.csv.gz")
    assert table["arch"].tolist() == [SPACE.to_string(i) for i in range(len(SPACE))]
    networks = [build_network(SPACE, index, 32, 10) for index in range(len(SPACE))]
    found = np.array([network.params for network in networks])
    assert (found == table["params_c10"]).all()
    # What more classes add, held to the builder itself below.
    last = np.array([SPACE.channels(index)[-1] for index in range(len(SPACE))]) + 1
    assert (found + 90 * last == table["params_c100"]).all()
    assert (found + 110 * last == table["params_in16"]).all()
    for index in range(0, len(SPACE), 411):
        assert build_network(SPACE, index, 32, 100).params == table["params_c100"][index]
        assert build_network(SPACE, index, 16, 120).params == table["params_in16"][index]


@pytest.mark.shared_data
def test_operations_and_parameters_are_those_of_official_records(shared_data):
    path = shared_data / "nats_official_sample" / "sss_official_sample_3archs.json"
    classes = {"cifar10-valid": (32, 10), "cifar10": (32, 10), "cifar100": (32, 100)}
    classes["ImageNet16-120"] = (16, 120)
    seen = 0
    for number, record in json.loads(path.read_text()).items():
        assert SPACE.parse(record["arch_str"]) == int(number)
        for epochs in ("01", "12", "90"):
            for training in record.get(epochs, []):
                network = build_network(SPACE, int(number), *classes[training["dataset"]])
                assert network.params == round(training["params_M"] * 1e6)
                assert network.flops == round(training["flops_M"] * 1e6)
                seen += 1
    assert seen >= 36


class PlainConv(nn.Sequential):
    def __init__(self, read: int, made: int, stride: int = 1) -> None:
        conv = nn.Conv2d(read, made, 3, stride, 1, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(made))


class PlainCell(nn.Module):
    """The published cell, edge by edge; a skip that changes the width has no ReLU."""

    def __init__(self, read: int, made: int) -> None:
        super().__init__()
        self.first, self.second = PlainConv(read, made), PlainConv(read, made)
        self.third = PlainConv(made, made)
        same = read == made
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(read, made, 1, bias=False), nn.BatchNorm2d(made))
        )
        self.fourth, self.fifth = PlainConv(made, made), PlainConv(made, made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.first(x)
        two = self.second(x) + self.third(one)
        return self.skip(x) + self.fourth(one) + self.fifth(two)


class PlainBlock(nn.Module):
    def __init__(self, read: int, made: int) -> None:
        super().__init__()
        self.a, self.b = PlainConv(read, made, 2), PlainConv(made, made)
        self.down = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(read, made, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(x) + self.b(self.a(x))


def plain(index: int) -> nn.Sequential:
    a, b, c, d, e = SPACE.channels(index)
    return nn.Sequential(
        *(nn.Conv2d(3, a, 3, padding=1, bias=False), nn.BatchNorm2d(a), PlainCell(a, a)),
        *(PlainBlock(a, b), PlainCell(b, c), PlainBlock(c, d), PlainCell(d, e)),
        *(nn.BatchNorm2d(e), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(e, 10)),
    )


@pytest.mark.parametrize("index", [0, 32_767, *np.random.default_rng(5).integers(32_768, size=18)])
def test_the_network_is_the_plain_one(index):
    index = int(index)
    network = build_network(SPACE, index, 8, 10)
    drawn = draw_weights(network, "pytorch", stream(1, "weights", index))
    module = plain(index).double().train()
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer, (number, _) in zip(layers, network.weighted(), strict=True):
            layer.weight.copy_(torch.from_numpy(drawn.weight[number]))
        layers[-1].bias.copy_(torch.from_numpy(drawn.bias[network.output]))
    assert sum(p.numel() for p in module.parameters()) == network.params
    images = torch.from_numpy(np.random.default_rng(2).standard_normal((4, 3, 8, 8)))
    codes = []
    for layer in module.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(
                lambda _, x, y: codes.append((x[0] > 0).flatten(1).double())
            )
    logits = module(images)
    ours = space_module(SPACE, index, 8, 10, 1, "pytorch").double().train()(images)
    torch.testing.assert_close(ours, logits, rtol=1e-9, atol=1e-9)
    weights = {number: torch.from_numpy(weight).double() for number, weight in drawn.weight.items()}
    kernel = relu_kernels(network, weights, images, PhaseClock()).per_module
    expected = sum(code @ code.T + (1 - code) @ (1 - code).T for code in codes)
    assert np.array_equal(kernel, expected.detach().numpy())
    modules = sum(node.modules for node in network.nodes if isinstance(node, Relu))
    assert modules == len(codes)


@pytest.mark.parametrize("text", ["8:8:8:8:8", "24:40:56:8:48", "56:16:16:64:24"])
def test_the_engines_own_code_counts_what_torch_counts(text):
    """On maps that are large enough for tiles, of widths that fill half a vector and more."""
    network = build_network(SPACE, SPACE.parse(text), 32, 10)
    drawn = draw_weights(network, "pytorch", stream(0, "weights", 1)).weight
    weights = {number: torch.from_numpy(weight).double() for number, weight in drawn.items()}
    images = torch.from_numpy(np.random.default_rng(3).standard_normal((6, 3, 32, 32)))
    ours, torchs = (
        relu_kernels(network, weights, images, PhaseClock(), compiled).per_module
        for compiled in (True, False)
    )
    np.testing.assert_array_equal(ours, torchs)


@pytest.mark.shared_data
def test_accuracies_come_from_the_mirror(shared_data, tmp_path):
    path = tmp_path / "nats_sss.h5"
    sources = {"cache": tmp_path, "mirror": str(shared_data), "nats_archive": None, "timeout": 1.0}
    prepare_benchmark("nats_sss", path, order=["mirror"], **sources)
    benchmark = load_benchmark(path)
    found = accuracy_column(benchmark, "cifar10", "test", 90)
    assert found.argmax() == 32_698
    assert found.max() == 93.65
    assert accuracy_column(benchmark, "ImageNet16-120", "test", 90).max() == pytest.approx(47.4)
    assert benchmark["official_index"].to_numpy().tolist() == list(range(32_768))
    params = [build_network(SPACE, index, 32, 10).params for index in range(0, 32_768, 64)]
    assert spearmanr(params, found[::64])[0] == pytest.approx(0.872, abs=0.02)


@pytest.mark.shared_data
def test_a_table_with_an_architecture_twice_is_refused(shared_data, tmp_path, monkeypatch):
    table = pd.read_csv(shared_data / "nats_sss" / "nats_sss_90ep.csv.gz")
    table.loc[5, "arch"] = table.loc[6, "arch"]
    (tmp_path / "nats_sss").mkdir()
    with gzip.open(tmp_path / "nats_sss" / "nats_sss_90ep.csv.gz", "wt") as stream_:
        table.to_csv(stream_, index=False)
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    monkeypatch.setattr("trainfree.sources.mirror.verify", lambda path, checksum: "0" * 64)
    sources = {"cache": tmp_path, "mirror": str(tmp_path), "nats_archive": None, "timeout": 1.0}
    with pytest.raises(SourceError, match="exactly once"):
        prepare_benchmark("nats_sss", tmp_path / "x.h5", order=["mirror"], **sources)
