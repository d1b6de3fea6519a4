"""The spaces of TransNAS-Bench-101 against published lists, counts and plain torch."""

from __future__ import annotations

import gzip
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from torch import nn

from trainfree.analysis.formats import measured
from trainfree.benchmarks.checks import check_benchmark
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.schema import BenchmarkTable
from trainfree.benchmarks.transnas101.results_table import read_results
from trainfree.errors import ArchitectureError, ImageError, SourceError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.randomness import stream
from trainfree.report.style.accuracy_axis import accuracy_title
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.executors import can_compile
from trainfree.scoring.cpu_engine.plan import make_plan
from trainfree.scoring.network_module import space_module
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.sources.delivery import Delivery
from trainfree.spaces import build_network, describes_networks, load_space
from trainfree.spaces.checks import check_network
from trainfree.spaces.network import Relu
from trainfree.spaces.protocol import EdgeSpace
from trainfree.spaces.transnas101 import modules
from trainfree.spaces.transnas101.macro import skeleton as macro_skeleton
from trainfree.spaces.transnas101.micro import skeleton as micro_skeleton
from trainfree.trainings import METRICS, Outcome, metric_of

MICRO, MACRO = load_space("transnas101_micro"), load_space("transnas101_macro")
SPACES = {"micro": MICRO, "macro": MACRO}
OUTPUTS = {"class_scene": 63, "class_object": 100, "room_layout": 9}
RNG = np.random.default_rng(17)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_architecture_leads_back(space):
    texts = [space.to_string(index) for index in range(len(space))]
    assert len(set(texts)) == len(space)
    assert [space.parse(text) for text in texts] == list(range(len(space)))


def test_spaces_have_the_published_sizes():
    assert (len(MICRO), len(MACRO)) == (4_096, 3_256)
    assert isinstance(MICRO, EdgeSpace)
    assert all(describes_networks(space) for space in SPACES.values())
    assert [MICRO.digits(i) for i in range(4_096)] == list(product(range(4), repeat=6))
    assert [MICRO.index_of(MICRO.digits(i)) for i in range(4_096)] == list(range(4_096))


@pytest.mark.shared_data
@pytest.mark.parametrize("level", SPACES)
def test_strings_are_those_of_the_benchmark(shared_data, level):
    table = pd.read_csv(shared_data / "transnas101" / f"tnb101_{level}.csv.gz")
    ours = {SPACES[level].to_string(index) for index in range(len(SPACES[level]))}
    missing = ours - set(table["arch"])
    assert set(table["arch"]) <= ours
    assert missing == ({"64-113444-basic"} if level == "macro" else set())


@pytest.mark.parametrize(
    ("space", "text", "words"),
    [
        (MICRO, "64-41414-3_33_33", "one, two and three codes"),
        (MICRO, "64-41414-3_33_334", "codes from 0 to 3, found '4'"),
        (MICRO, "64-41414-3_33_3³3", "codes from 0 to 3"),
        (MICRO, "32-41414-3_33_333", "64-41414- at its start"),
        (MICRO, "64-1234-basic", "64-41414- at its start"),
        (MACRO, "64-1235-basic", "found '5'"),
        (MACRO, "64-124-basic", "4 to 6 modules, found 3"),
        (MACRO, "64-1111-basic", "1 to 3 modules that double the channels, found 0"),
        (MACRO, "64-1112-basic", "1 to 4 modules that halve the resolution, found 0"),
        (MACRO, "64-444411", "and '-basic'"),
        (MACRO, "", "and '-basic'"),
    ],
)
def test_malformed_texts_say_what_is_wrong(space, text, words):
    with pytest.raises(ArchitectureError, match=words) as caught:
        space.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_moves_stay_inside_and_lead_back(space):
    with pytest.raises(ArchitectureError, match=f"0 to {len(space) - 1}"):
        space.to_string(len(space))
    with pytest.raises(UnknownNameError, match="one_change"):
        space.mutate(0, np.random.default_rng(0), "published")
    for index in RNG.integers(len(space), size=30).tolist():
        near = space.neighbours(index)
        assert len(set(near)) == len(near)
        assert index not in near
        assert all(index in space.neighbours(other) for other in near[:5])
        drawn = {space.mutate(index, RNG, "one_change") for _ in range(20)}
        assert drawn <= set(near)


def test_neighbours_are_one_change_away():
    assert len(MICRO.neighbours(1_234)) == 18
    here = "1234"
    near = [MACRO.skeleton(index) for index in MACRO.neighbours(MACRO.parse("64-1234-basic"))]
    changed = [text for text in near if len(text) == 4]
    assert all(sum(a != b for a, b in zip(here, text, strict=True)) == 1 for text in changed)
    longer = [text for text in near if len(text) == 5]
    assert all(here in {text[:k] + text[k + 1 :] for k in range(5)} for text in longer)
    assert len(changed) + len(longer) == len(near)


def encoder(level: str, text: str) -> modules.Encoder:
    space = SPACES[level]
    with torch.device("meta"):
        if level == "micro":
            return modules.micro_encoder(space.digits(space.parse(text)))
        return modules.Encoder(space.skeleton(space.parse(text)))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def decoders(channels: int, halvings: int) -> tuple[int, int]:
    """Parameters of both decoders; they depend on the encoder by these numbers alone."""
    skeleton = "3" * halvings
    with torch.device("meta"):
        read = modules.Encoder(skeleton)
        read.channels = channels
        made = (modules.segmentation_decoder(read), modules.generative_decoder(read))
    return count(made[0]), count(made[1])


@pytest.mark.shared_data
@pytest.mark.parametrize("level", SPACES)
def test_parameters_of_all_heads_are_those_of_suite_zero(shared_data, level):
    """Its numbers were counted from the published code: 100 objects, 63 scenes, 9 numbers."""
    table = pd.read_csv(shared_data / "transnas101" / "tnb101_suite_zero.csv.gz")
    table = table[table["space"] == level]
    seen = set()
    for arch, rows in table.groupby("arch"):
        index = SPACES[level].parse(arch)
        skeleton = "41414" if level == "micro" else MACRO.skeleton(index)
        network = build_network(SPACES[level], index, 64, 1)
        channels = network.nodes[-1].in_features
        body, halvings = network.params - channels - 1, sum(c in "34" for c in skeleton)
        maps, images = decoders(channels, halvings)
        heads = {task: n * (channels + 1) for task, n in OUTPUTS.items()}
        heads |= {"jigsaw": 1000 * (9 * channels + 1), "segmentsemantic": maps}
        heads |= {"normal": images, "autoencoder": images}
        for row in rows.itertuples():
            assert (body + heads[row.task]) / 1e6 == pytest.approx(row.params, rel=1e-6), row
            seen.add(row.task)
    assert seen == set(heads)


def operations(module: nn.Module, images: torch.Tensor) -> int:
    """Count as tensorwatch does, which Suite-Zero used: transposed convolutions are free."""
    total = 0

    def hook(layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            biases = 0 if layer.bias is None else made.numel()
            total += layer.weight.numel() * made.shape[2] * made.shape[3] + biases
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()
        elif isinstance(layer, nn.BatchNorm2d):
            total += 2 * made.numel()
        elif isinstance(layer, nn.ReLU | nn.LeakyReLU):
            total += made.numel()

    for layer in module.modules():
        layer.register_forward_hook(hook)
    module.eval()(images)
    return total


@pytest.mark.shared_data
@pytest.mark.parametrize("level", SPACES)
def test_operations_are_those_of_suite_zero_at_256_pixels(shared_data, level):
    table = pd.read_csv(shared_data / "transnas101" / "tnb101_suite_zero.csv.gz")
    table = table[table["space"] == level]
    heads = {
        "class_object": lambda read: modules.classifier(read, 100),
        "segmentsemantic": lambda read: modules.Dense(read, modules.segmentation_decoder(read)),
        "normal": lambda read: modules.Dense(read, modules.generative_decoder(read)),
    }
    images = torch.zeros((1, 3, 256, 256), device="meta")
    for task, head in heads.items():
        for row in table[table["task"] == task].sample(2, random_state=1).itertuples():
            with torch.device("meta"):
                module = head(encoder(level, row.arch))
            found = operations(module, images) / 1e6
            assert found == pytest.approx(row.flops, rel=2e-4), row


class Plain(nn.Module):
    """A basic block, written out."""

    def __init__(self, read: int, made: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(read, made, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        changes = stride > 1 or read != made
        self.c = nn.Conv2d(read, made, 1, stride, bias=False) if changes else None
        self.norms = nn.ModuleList(nn.BatchNorm2d(made) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norms[0](self.a(x.relu()))
        y = self.norms[1](self.b(y.relu()))
        return y + (x if self.c is None else self.norms[2](self.c(x)))


NARROW = 8
"""Channels after the stem where networks are computed: their full width is held to counts."""


def plain_macro(skeleton: str) -> nn.Sequential:
    half, width = NARROW // 2, NARROW
    layers: list[nn.Module] = [nn.Conv2d(3, half, 3, 2, 1, bias=False), nn.BatchNorm2d(half)]
    layers += [nn.ReLU(), nn.Conv2d(half, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)]
    for code in skeleton:
        made = width * (2 if code in "24" else 1)
        layers += [Plain(width, made, 2 if code in "34" else 1), Plain(made, made, 1)]
        width = made
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))


@pytest.mark.parametrize("index", RNG.integers(3_256, size=20).tolist())
def test_the_macro_network_is_the_plain_one(index, monkeypatch):
    monkeypatch.setattr(modules, "STEM", NARROW)
    monkeypatch.setattr(macro_skeleton, "STEM", NARROW)
    size, skeleton = 24, MACRO.skeleton(index)
    network = build_network(MACRO, index, size, 5)
    drawn = draw_weights(network, "pytorch", stream(1, "weights", index))
    images = torch.from_numpy(np.random.default_rng(2).standard_normal((3, 3, size, size)))
    ours = space_module(MACRO, index, size, 5, 1, "pytorch").double().train()(images)
    for module in (plain_macro(skeleton), modules.classifier(modules.Encoder(skeleton), 5)):
        layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        with torch.no_grad():
            for layer, (number, _) in zip(layers, network.weighted(), strict=True):
                layer.weight.copy_(torch.from_numpy(drawn.weight[number]))
            layers[-1].bias.copy_(torch.from_numpy(drawn.bias[network.output]))
        found = module.double().train()(images)
        torch.testing.assert_close(found, ours, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", SPACES)
def test_images_that_are_too_small_are_refused(level):
    with pytest.raises(ImageError, match=f"4 x 4 pixels do not fit transnas101_{level}.* 8 or"):
        build_network(SPACES[level], 0, 4, 10)


def plain_cell(cell: modules.Cell, digits: tuple[int, ...], x: torch.Tensor) -> torch.Tensor:
    """Compute a cell from the published equations, with a cell's weights."""
    nodes = [x]
    places = iter(zip([(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)], digits, strict=True))
    for target in range(1, 4):
        total = 0.0
        for _ in range(target):
            (_, source), code = next(places)
            given, stride = nodes[source], cell.stride if source == 0 else 1
            edge = cell.edges[f"{target}<-{source}"] if code else None
            if code == 0:
                size = given[..., ::stride, ::stride].shape[2:]
                total = total + x.new_zeros(len(x), cell.made, *size)
            elif code > 1:
                made = torch.conv2d(given.relu(), edge[1].weight, None, stride, (code - 2))
                total = total + edge[2](made)
            elif isinstance(edge, nn.Identity):
                total = total + given
            else:
                r = given.relu()
                odd = torch.zeros_like(r)
                odd[..., :-1, :-1] = r[..., 1:, 1:]
                halves = [
                    torch.einsum("oi,bihw->bohw", conv.weight[..., 0, 0], part)
                    for conv, part in (
                        (edge.even, r[..., ::stride, ::stride]),
                        (edge.odd, odd[..., ::stride, ::stride]),
                    )
                ]
                total = total + edge.norm(torch.cat(halves, 1))
        nodes.append(total)
    return nodes[-1]


@pytest.mark.parametrize("index", [0, 4_095, *RNG.integers(4_096, size=18).tolist()])
@pytest.mark.parametrize(("read", "made", "stride"), [(4, 8, 2), (8, 8, 1)])
def test_the_micro_cell_is_the_plain_one(index, read, made, stride):
    digits = MICRO.digits(index)
    cell = modules.Cell(digits, read, made, stride).double()
    for size in (8, 7):
        x = torch.from_numpy(np.random.default_rng(3).standard_normal((3, read, size, size)))
        torch.testing.assert_close(cell(x), plain_cell(cell, digits, x))


EDGE_CELLS = ("0_00_000", "3_33_333", "1_11_111", "0_11_011", "1_02_102", "0_00_001", "1_13_120")
CELLS = [MICRO.parse(f"64-41414-{text}") for text in EDGE_CELLS]
CELLS += RNG.integers(4_096, size=13).tolist()


class MicroTwins:
    """A micro architecture as data and as the torch module, narrow, with the same weights."""

    def __init__(self, index: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(modules, "STEM", NARROW)
        monkeypatch.setattr(micro_skeleton, "STEM", NARROW)
        self.network = build_network(MICRO, index, size, 5)
        self.drawn = draw_weights(self.network, "pytorch", stream(1, "weights", index))
        self.ours = space_module(MICRO, index, size, 5, 1, "pytorch").double().train()
        self.module = modules.classifier(modules.micro_encoder(MICRO.digits(index)), 5).double()
        layers = [m for m in self.module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        with torch.no_grad():
            for layer, (number, _) in zip(layers, self.network.weighted(), strict=True):
                layer.weight.copy_(torch.from_numpy(self.drawn.weight[number]))
            layers[-1].bias.copy_(torch.from_numpy(self.drawn.bias[self.network.output]))
        pixels = np.random.default_rng(2).standard_normal((3, 3, size, size))
        self.images = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("index", "size"), [*((index, 24) for index in CELLS), *((index, 17) for index in CELLS[:8])]
)
def test_the_micro_network_is_the_torch_module(index, size, monkeypatch):
    twins = MicroTwins(index, size, monkeypatch)
    with torch.no_grad():
        expected = twins.module.train()(twins.images)
        torch.testing.assert_close(twins.ours(twins.images), expected, rtol=1e-9, atol=1e-9)
    check_network(twins.network, "here", size, 5)
    assert twins.network.params == count(twins.module)


@pytest.mark.parametrize("index", CELLS)
def test_kernels_of_micro_networks_are_those_of_hooked_modules(index, monkeypatch):
    # Named as the published class is, which its code counts for it.
    monkeypatch.setattr(modules, "ConvBN", type("ReLUConvBN", (modules.ConvBN,), {}))
    twins = MicroTwins(index, 20, monkeypatch)
    weights = {n: torch.from_numpy(w).double() for n, w in twins.drawn.weight.items()}
    assert can_compile(make_plan(twins.network))
    for compiled in (True, False):
        kernels = relu_kernels(twins.network, weights, twins.images, PhaseClock(), compiled)
        for found, official in ((kernels.per_module, False), (kernels.official, True)):
            expected = reference.relu_kernel(twins.module, twins.images, official)
            np.testing.assert_array_equal(found, expected)
    modules_there = sum(isinstance(module, nn.ReLU) for module in twins.module.modules())
    nodes = [node for node in twins.network.nodes if isinstance(node, Relu)]
    assert sum(node.modules for node in nodes) == modules_there


def test_wide_layers_that_torch_convolves_have_the_same_kernels():
    network = build_network(MICRO, MICRO.parse("64-41414-3_13_123"), 32, 5)
    drawn = draw_weights(network, "pytorch", stream(1, "weights", 0)).weight
    weights = {n: torch.from_numpy(w).double() for n, w in drawn.items()}
    pixels = np.random.default_rng(2).standard_normal((4, 3, 32, 32))
    images = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)
    compiled, plain = (
        relu_kernels(network, weights, images, PhaseClock(), way) for way in (True, False)
    )
    np.testing.assert_array_equal(compiled.per_module, plain.per_module)


@pytest.mark.parametrize("size", [24, 20, 17])
@pytest.mark.parametrize("index", CELLS[:7])
def test_the_flow_of_micro_networks_is_that_of_the_module(index, size, monkeypatch):
    twins = MicroTwins(index, size, monkeypatch)
    found = log_synaptic_flow(twins.network, twins.drawn.weight)
    assert found == pytest.approx(reference.log_synaptic_flow(twins.module, size), abs=1e-9)


def test_micro_networks_have_as_many_parameters_as_their_modules():
    for code in range(0, 4_096, 63):
        expected = count(encoder("micro", MICRO.to_string(code))) + 513 * 7
        assert build_network(MICRO, code, 64, 7).params == expected


def test_blocks_of_micro_networks_are_the_stem_and_the_cells():
    network = build_network(MICRO, 1_234, 64, 7)
    shapes = [network.shapes[end] for end in network.blocks]
    assert shapes == [
        *((64, 16, 16), (128, 8, 8), (128, 8, 8), (128, 8, 8), (128, 8, 8)),
        *((256, 4, 4), (256, 4, 4), (256, 4, 4), (256, 4, 4), (512, 2, 2), (512, 2, 2)),
    ]


def test_a_siamese_encoder_takes_the_nine_pieces():
    with torch.device("meta"):
        siamese = modules.Siamese(modules.micro_encoder(MICRO.digits(9)), 1000).eval()
        assert siamese(torch.zeros((2, 3, 96, 96))).shape == (2, 1000)


def test_a_siamese_network_sees_the_pieces_row_by_row():
    net = modules.Siamese(modules.Encoder("4"), 10).eval()
    images = torch.from_numpy(np.random.default_rng(4).random((2, 3, 24, 24))).float()
    places = product((0, 8, 16), repeat=2)
    pieces = [images[:, :, row : row + 8, left : left + 8] for row, left in places]
    features = torch.cat([net.encoder(piece) for piece in pieces], 1).mean((2, 3))
    torch.testing.assert_close(net(images), net.fc(features), rtol=1e-4, atol=1e-5)


SOURCES = {"nats_archive": None, "timeout": 1.0, "order": ["mirror"]}
BEST = {
    "micro": (46.32, 54.94, 95.37, -0.5938, 26.27, 0.5962, 0.5772),
    "macro": (47.96, 57.48, 97.02, -0.5628, 29.66, 0.6435, 0.7688),
}
"""Published optima of object, scene, jigsaw, layout, segmentation, normals and autoencoder."""
TASKS = (
    *("class_object", "class_scene", "jigsaw", "room_layout"),
    *("segmentsemantic", "normal", "autoencoder"),
)


@pytest.mark.shared_data
@pytest.mark.parametrize("level", SPACES)
def test_results_come_from_the_mirror_with_their_metrics(shared_data, tmp_path, level):
    path = tmp_path / "space.h5"
    name = f"transnas101_{level}"
    prepare_benchmark(name, path, cache=tmp_path, mirror=str(shared_data), **SOURCES)
    benchmark = read_dataset(path, "benchmark")
    table = pd.read_csv(shared_data / "transnas101" / f"tnb101_{level}.csv.gz").set_index("arch")
    texts = benchmark["architecture"].to_numpy().tolist()
    for task, best in zip(TASKS, BEST[level], strict=True):
        column = benchmark["accuracy"].sel(dataset=task, split="valid").to_numpy().ravel()
        known = ~np.isnan(column)
        assert known.sum() == len(table)
        assert column[known].max() == pytest.approx(best, abs=0.006)
        expected = table.loc[[text for text, there in zip(texts, known, strict=True) if there]]
        assert (column[known] == expected[task].to_numpy()).all()
    assert metric_of(benchmark, "room_layout") == METRICS["negative_loss"]
    assert metric_of(benchmark, "normal").units == "1"
    assert metric_of(benchmark, "segmentsemantic").label == "mean IoU (%)"
    assert metric_of(benchmark, "class_scene") == METRICS["accuracy"]
    assert benchmark["accuracy"].attrs["units"] != "%"


def spoilt(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "twice":
        table.loc[5, "arch"] = table.loc[6, "arch"]
    elif kind == "foreign":
        table.loc[5, "arch"] = "64-41414-4_00_000"
    elif kind == "short":
        return table.iloc[:-3]
    elif kind == "column":
        return table.drop(columns="jigsaw")
    elif kind == "number":
        table.loc[5, "normal"] = np.nan
    elif kind == "absent":
        table.loc[len(table)] = table.iloc[0]
        table.loc[len(table) - 1, "arch"] = "64-113444-basic"
    return table


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("level", "kind", "words"),
    [
        ("micro", "twice", "exactly once"),
        ("micro", "foreign", "found '4'"),
        ("micro", "short", "3 are missing"),
        ("micro", "column", "jigsaw"),
        ("micro", "number", "column 'normal': line 7"),
        ("macro", "short", "3 are missing"),
        ("macro", "absent", "expected no row of 64-113444-basic"),
    ],
)
def test_spoilt_tables_are_refused_by_name(shared_data, tmp_path, level, kind, words):
    table = pd.read_csv(shared_data / "transnas101" / f"tnb101_{level}.csv.gz")
    path = tmp_path / "table.csv.gz"
    with gzip.open(path, "wt") as stream_:
        spoilt(table, kind).to_csv(stream_, index=False)
    with pytest.raises(SourceError, match=words) as caught:
        read_results(Delivery("mirror", "transnas101-table", {"table": path}), SPACES[level])
    assert str(path) in str(caught.value)


def test_a_truncated_table_is_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"arch,class_scene\n" * 50)[:-9])
    with pytest.raises(SourceError, match=r"table\.csv\.gz"):
        read_results(Delivery("mirror", "transnas101-table", {"table": path}), MICRO)


@pytest.mark.parametrize(
    ("metric", "values", "words"),
    [
        ("negative_loss", 0.5, "minus the loss"),
        ("SSIM", 1.2, "SSIM"),
        ("mIoU", 0.26, "fractions from 0 to 1"),
        ("accuracy", -0.6, "percentages"),
        ("loss", -0.6, "metrics: expected accuracy, mIoU"),
    ],
)
def test_values_of_another_metric_are_refused(metric, values, words):
    space = load_space("nasbench201_mini")
    key = ("room_layout", "valid", -1, "0")
    column = np.full(len(space), values)
    table = BenchmarkTable({key: column}, metrics={"room_layout": metric})
    with pytest.raises(SourceError, match=words):
        check_benchmark(space, table, "table")


def test_values_of_each_metric_are_let_through():
    space = load_space("nasbench201_mini")
    for metric, value in {"negative_loss": -0.6, "SSIM": 0.6, "mIoU": 26.0}.items():
        key = ("task", "valid", -1, "0")
        table = BenchmarkTable({key: np.full(len(space), value)}, metrics={"task": metric})
        assert check_benchmark(space, table, "table").accuracy[key][0] == value
    strange = BenchmarkTable({key: np.full(len(space), 26.0)}, metrics={"other": "mIoU"})
    with pytest.raises(SourceError, match="metrics: expected a data set"):
        check_benchmark(space, strange, "table")


def test_nothing_but_percent_is_called_percent():
    assert Outcome.of_label("room_layout/valid/?").metric.units == "1"
    assert accuracy_title("CIFAR-10 test, 200 epochs") == "CIFAR-10 test accuracy (%), 200 epochs"
    assert accuracy_title("room layout validation") == "room layout validation minus the loss"
    assert "%" not in accuracy_title("surface normals validation")


@pytest.mark.shared_data
def test_images_in_the_place_of_taskonomy_are_called_so(shared_data, tmp_path):
    path = tmp_path / "images.h5"
    prepare_images(
        "taskonomy-layout",
        path,
        order=["mirror"],
        cache=tmp_path,
        mirror=str(shared_data),
        timeout=1.0,
    )
    images = read_dataset(path, "images")
    assert images.attrs["stand_in"] == 1
    assert "stand-in for Taskonomy" in images.attrs["source_note"]
    assert images["image"].shape == (225, 64, 64, 3)
    assert sorted(set(images["label"].to_numpy().tolist())) == list(range(9))


def test_cells_of_tables_say_what_is_no_percentage():
    shown = measured("mean", "deviation")
    row = {"mean": -0.61234, "deviation": 0.01, "outcome": "room_layout/valid/?"}
    assert shown(row) == "−0.6123 ± 0.0100 (minus the loss)"
    assert shown(row | {"outcome": "cifar10/test/200"}) == "−0.61 ± 0.01"
    assert measured("mean")({"mean": np.nan, "outcome": "normal/valid/?"}) == "–"
