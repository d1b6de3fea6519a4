"""Genotypes, the space of DARTS, and its networks beside plain formulas and published counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.config import parse_config
from trainfree.errors import ArchitectureError, ConfigError, ImageError, UnknownNameError
from trainfree.scoring.settings.setting import scored_architectures
from trainfree.spaces import load_space
from trainfree.spaces.checks import check_space
from trainfree.spaces.darts.form import EVALUATION, SMALL, Form, parameters
from trainfree.spaces.darts.genotype import OPERATIONS, Cell, Genotype, parse_genotype
from trainfree.spaces.darts.modules import CellNetwork, ReLUConvBN

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = load_space("darts")
TINY = Form(cells=4, channels=4)
TINY_SMALL = Form(cells=4, channels=4, affine=False, pool_norm=True)
indices = st.integers(0, len(SPACE) - 1)
WITH_NONE = (
    "Genotype(normal=[('none', 0), ('sep_conv_5x5', 0), ('avg_pool_3x3', 2), ('none', 0), "
    "('dil_conv_3x3', 3), ('max_pool_3x3', 1), ('skip_connect', 4), ('sep_conv_3x3', 1)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('none', 0), ('skip_connect', 0), ('avg_pool_3x3', 1), "
    "('sep_conv_3x3', 0), ('none', 3), ('max_pool_3x3', 1), ('dil_conv_5x5', 0), "
    "('skip_connect', 3)], reduce_concat=[2, 3, 4, 5])"
)
LISTS = {
    "darts_bench545/darts_bench545_cifar10.csv.gz": (545, "genotype"),
    "darts_swap/DARTS_archs_CIFAR10.csv.gz": (1000, 0),
    "darts_random214/darts_random214_cifar10.csv.gz": (214, "genotype"),
    "nasbench301_suite_zero/nb301_suite_zero.csv.gz": (725, "genotype"),
}


def rows_of(shared_data, path: str) -> pd.DataFrame:
    header = None if LISTS[path][1] == 0 else "infer"
    return pd.read_csv(shared_data / path, header=header)


# ---------------------------------------------------------------- genotypes


@pytest.mark.shared_data
@pytest.mark.parametrize("path", LISTS)
def test_every_published_genotype_is_written_as_it_was_read(shared_data, path):
    size, column = LISTS[path]
    texts = rows_of(shared_data, path)[column].tolist()
    assert len(texts) == size
    assert [str(parse_genotype(text)) for text in texts] == texts


def test_spacing_quotes_and_ranges_may_differ():
    text = WITH_NONE.replace("'", '"').replace("[2, 3, 4, 5]", "range(2, 6)").replace("), ", "),\n")
    assert str(parse_genotype(f" {text} ")) == WITH_NONE
    trailing = WITH_NONE.replace(")]", ") , ]").replace("[2, 3, 4, 5])", "[2,3,4,5,],)")
    assert str(parse_genotype(trailing)) == WITH_NONE


def changed(old: str, new: str) -> str:
    assert old in WITH_NONE
    return WITH_NONE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected Genotype"),
        ("__import__('os').system('touch PWNED')", "expected Genotype"),
        (WITH_NONE + "; print(1)", "expected Genotype"),
        (WITH_NONE[:-30], "expected Genotype"),
        (changed("reduce=", "reduced="), "expected Genotype"),
        (changed("('none', 0)", "__import__('os')"), "expected edges such as"),
        (changed("('none', 0)", "('none', [0])"), "expected Genotype"),
        (changed("('none', 0),", "('none', 0)"), "expected edges such as"),
        (changed("('none', 0)", "('none', -1)"), "expected edges such as"),
        (changed("('none', 0)", "('none', \u0660)"), "expected edges such as"),
        (changed("('none', 0)", "(0, 'none')"), "expected edges such as"),
        (changed("('none', 0), ", "('none', 0), , "), "expected edges such as"),
        (changed("'none', 0", "'conv_9x9', 0"), "expected operations among .* found conv_9x9"),
        (changed("'none', 0", "'none', 2"), "node 0: expected to read states .* 0 to 1, found 2"),
        (changed("('none', 0), ", ""), "expected two edges for each .* found 7"),
        (changed("[2, 3, 4, 5]", "[2, 3, 4, 4]"), "expected different nodes, 2 to 5"),
        (changed("[2, 3, 4, 5]", "[2, 3, 4, 6]"), "expected different nodes, 2 to 5"),
        (changed("[2, 3, 4, 5]", "[1, 2]"), "expected different nodes, 2 to 5"),
        (changed("[2, 3, 4, 5]", "[]"), "expected different nodes"),
        (changed("[2, 3, 4, 5]", "[2, x]"), "expected different nodes"),
        (changed("[2, 3, 4, 5]", "[2, , 3]"), "expected different nodes"),
        (changed("[2, 3, 4, 5]", "range(2, 99)"), "expected different nodes"),
        (changed("[2, 3, 4, 5]", "range(6)"), "expected different nodes"),
        (changed("('none', 0), ", "('none', 0), " * 20), "1 to 10 nodes, found 27"),
        (changed("('none', 0), ", "('none', 0), " * 400), "expected Genotype"),
        ("Genotype(normal=" + "[" * 2000, "expected Genotype"),
        ("Genotype(" + " " * 4000, "expected Genotype"),
    ],
)
def test_hostile_texts_say_what_is_wrong(text, words):
    with pytest.raises(ArchitectureError, match=words) as caught:
        parse_genotype(text)
    assert "is malformed" in str(caught.value)
    assert len(str(caught.value)) < 500


# ---------------------------------------------------------------- the space


def test_the_space_has_the_published_size():
    """Liu et al., section 2.4: (∏ (k + 1) k / 2 · 7²)² for k = 1 to 4, about 10^18."""
    assert len(SPACE) == (1 * 3 * 6 * 10 * 7**8) ** 2
    assert len(SPACE) == np.prod([(k * (k + 1) // 2) * 49 for k in range(1, 5)], dtype=object) ** 2
    assert len(SPACE) < 2**63
    assert f"{len(SPACE):.0e}" == "1e+18"


@given(indices)
def test_every_index_leads_back(index):
    text = SPACE.to_string(index)
    assert SPACE.parse(text) == index
    swapped = parse_genotype(text)
    cells = [
        Cell(tuple(edge for pair in cell.nodes() for edge in pair[::-1]), cell.concat)
        for cell in (swapped.normal, swapped.reduce)
    ]
    assert SPACE.index_of(Genotype(*cells)) == index


def test_the_space_passes_what_spaces_of_others_are_asked(monkeypatch):
    monkeypatch.setattr("trainfree.spaces.checks.MOST", 2**63)
    check_space(SPACE, "darts")
    check_space(load_space("darts_small"), "darts_small")
    used = {edge[0] for edge in SPACE.genotype(SPACE.warm_up_architecture).normal.edges}
    assert used == set(OPERATIONS) == set(SPACE.operations)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WITH_NONE, "normal: node 0: expected two different states, found 0 twice"),
        (changed("('sep_conv_5x5', 0)", "('sep_conv_5x5', 1)"), "expected one of .* found none"),
        (
            "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=[2], "
            "reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])",
            "normal: expected 4 nodes, .* found 1",
        ),
    ],
)
def test_what_is_no_cell_of_the_space_is_refused(text, words):
    parse_genotype(text)
    with pytest.raises(ArchitectureError, match=words):
        SPACE.parse(text)


@pytest.mark.parametrize("index", [-1, len(SPACE)])
def test_indices_outside_are_refused(index):
    with pytest.raises(ArchitectureError, match=f"expected 0 to {len(SPACE) - 1}"):
        SPACE.to_string(index)


def test_samples_are_uniform():
    """Each operation, and each pair of states of a node, is drawn as often as any other."""
    rng = np.random.default_rng(0)
    drawn = [SPACE.genotype(SPACE.sample(rng)) for _ in range(4000)]
    for cells in ([g.normal for g in drawn], [g.reduce for g in drawn]):
        for edge in range(8):
            counts = Counter(cell.edges[edge][0] for cell in cells)
            assert chisquare([counts[name] for name in OPERATIONS]).pvalue > 1e-4
        for node, pairs in enumerate((1, 3, 6, 10)):
            counts = Counter(
                tuple(state for _, state in cell.edges[2 * node : 2 * node + 2]) for cell in cells
            )
            assert len(counts) == pairs
            assert pairs == 1 or chisquare(list(counts.values())).pvalue > 1e-4


def parts(index: int) -> list[frozenset[tuple[str, int]]]:
    genotype = SPACE.genotype(index)
    return [frozenset(pair) for cell in (genotype.normal, genotype.reduce) for pair in cell.nodes()]


@settings(max_examples=10)
@given(indices)
def test_neighbours_differ_in_one_edge_and_know_each_other(index):
    near = SPACE.neighbours(index)
    assert len(near) == 120
    assert index not in near
    here = parts(index)
    for other in near:
        (different,) = [(a, b) for a, b in zip(here, parts(other), strict=True) if a != b]
        (gone,), (new,) = different[0] - different[1], different[1] - different[0]
        assert (gone[0] == new[0]) != (gone[1] == new[1])
    assert index in SPACE.neighbours(near[0])
    assert index in SPACE.neighbours(near[-1])


def test_mutations_are_neighbours_drawn_uniformly():
    rng, index = np.random.default_rng(1), SPACE.sample(np.random.default_rng(7))
    near = SPACE.neighbours(index)
    assert len(set(near)) == 120
    counts = Counter(SPACE.mutate(index, rng, "one_change") for _ in range(3600))
    assert set(counts) == set(near)
    assert chisquare([counts[other] for other in near]).pvalue > 1e-4
    with pytest.raises(UnknownNameError, match="one_change"):
        SPACE.mutate(index, rng, "edge")


def test_a_configuration_scores_a_sample_and_never_the_whole_space():
    searches = dict.fromkeys(parse_config({}).search.searches)
    small = {"space": "darts", "search": {"searches": searches}}
    setting = parse_config(small | {"scoring": {"sample": 50}}).scoring_setting("cifar10")
    drawn = scored_architectures(setting, len(SPACE))
    assert len(set(drawn.tolist())) == 50
    assert drawn.min() < len(SPACE) / 4 < 3 * len(SPACE) / 4 < drawn.max()
    assert all(SPACE.parse(SPACE.to_string(index)) == index for index in drawn.tolist())
    with pytest.raises(ConfigError, match=r"score a sample \(scoring\.sample\)"):
        parse_config(small)


# ---------------------------------------------------------------- networks


@pytest.mark.shared_data
def test_parameters_are_the_published_ones_of_every_row(shared_data):
    table = rows_of(shared_data, "darts_bench545/darts_bench545_cifar10.csv.gz")
    found = [parameters(EVALUATION, parse_genotype(text), 10) for text in table["genotype"]]
    assert (np.array(found) / 1e6 == table["params_M"]).all()
    table = rows_of(shared_data, "nasbench301_suite_zero/nb301_suite_zero.csv.gz")
    found = [parameters(SMALL, parse_genotype(text), 10) for text in table["genotype"]]
    assert (np.array(found) / 1e6 == table["params"]).all()


def drawn(seed: int) -> Genotype:
    """A genotype that may have ``none`` and read a state twice, as lists have."""
    rng = np.random.default_rng(seed)
    names = ("none", *OPERATIONS)
    cells = [
        Cell(tuple((names[rng.integers(8)], int(rng.integers(2 + k // 2))) for k in range(8)))
        for _ in range(2)
    ]
    return Genotype(*cells)


def normed(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)


def plain_operation(name: str, module: nn.Module, x: Tensor, stride: int) -> Tensor:
    """What the DARTS paper and code say an operation is, with the weights of a module."""
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    if name == "none":
        return torch.zeros_like(x[:, :, ::stride, ::stride])
    if name == "skip_connect" and stride == 1:
        return x
    if name == "skip_connect":
        ways = [x.relu()[:, :, k::2, k::2] for k in (0, 1)]
        halves = [F.conv2d(way, conv.weight) for way, conv in zip(ways, convs, strict=True)]
        return normed(torch.cat(halves, 1), norms[0])
    if name == "max_pool_3x3":
        pooled = F.max_pool2d(x, 3, stride, 1)
    elif name == "avg_pool_3x3":
        inside = F.avg_pool2d(torch.ones_like(x), 3, stride, 1)
        pooled = F.avg_pool2d(x, 3, stride, 1) / inside
    if "pool" in name:
        return normed(pooled, norms[0]) if norms else pooled
    dilation, side = 2 if name.startswith("dil") else 1, int(name[-1])
    for place in range(len(norms)):
        deep, point = convs[2 * place], convs[2 * place + 1]
        assert deep.weight.shape[1:] == (1, side, side)
        x = F.conv2d(
            *(x.relu(), deep.weight, None, stride if place == 0 else 1),
            *(dilation * (side // 2), dilation, x.shape[1]),
        )
        x = normed(F.conv2d(x, point.weight), norms[place])
    assert len(norms) == (1 if name.startswith("dil") else 2)
    return x


def plain_network(network: CellNetwork, genotype: Genotype, images: Tensor) -> Tensor:
    earlier = last = normed(F.conv2d(images, network.stem[0].weight, padding=1), network.stem[1])
    count = len(network.cells)
    for place, module in enumerate(network.cells):
        reduces = place in (count // 3, 2 * count // 3)
        cell = genotype.reduce if reduces else genotype.normal
        states = []
        for x, pre in ((earlier, module.preprocess0), (last, module.preprocess1)):
            if x.shape[-1] > last.shape[-1]:
                states.append(plain_operation("skip_connect", pre, x, 2))
            else:
                states.append(normed(F.conv2d(x.relu(), pre[1].weight), pre[2]))
        made = []
        for (name, state), operation in zip(cell.edges, module.operations, strict=True):
            stride = 2 if reduces and state < 2 else 1
            made.append(plain_operation(name, operation, states[state], stride))
            if len(made) == 2:
                states.append(made[0] + made[1])
                made = []
        earlier, last = last, torch.cat([states[state] for state in cell.concat], 1)
    return network.classifier(last.mean((2, 3)))


@pytest.mark.parametrize("seed", range(20))
def test_the_network_is_the_plain_one(seed):
    genotype, form = drawn(seed), (TINY, TINY_SMALL)[seed % 2]
    torch.manual_seed(seed)
    network = CellNetwork(genotype, form, 10).double().train()
    assert sum(p.numel() for p in network.parameters()) == parameters(form, genotype, 10)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    logits = network(images)
    assert logits.shape == (2, 10)
    torch.testing.assert_close(logits, plain_network(network, genotype, images))


def operations_of(network: nn.Module) -> Counter[str]:
    """Multiply-adds of layers with weights, and sizes of the outputs of other kinds."""
    found: Counter[str] = Counter()

    def note(module: nn.Module, _: object, out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            found["weighted"] += out.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            found["weighted"] += module.weight.numel()
        else:
            found[type(module).__name__] += out.numel()

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(note)
    network.eval()(torch.zeros(1, 3, 32, 32, device="meta"))
    return found


@pytest.mark.shared_data
def test_modules_count_as_the_formula_and_operations_as_published(shared_data):
    """What counters of operations add to multiply-adds differs; it is fitted, and then exact."""
    table = rows_of(shared_data, "darts_bench545/darts_bench545_cifar10.csv.gz")
    for row in range(0, 545, 150):
        genotype = parse_genotype(table["genotype"][row])
        with torch.device("meta"):
            network = CellNetwork(genotype, EVALUATION, 10)
        assert sum(p.numel() for p in network.parameters()) == parameters(EVALUATION, genotype, 10)
        found = operations_of(network)
        beside = 4 * found["BatchNorm2d"] + found["AvgPool2d"] + 576 * (64 + 1)
        assert found["weighted"] + beside == round(table["flops_M"][row] * 1e6)
    table = rows_of(shared_data, "nasbench301_suite_zero/nb301_suite_zero.csv.gz")
    left = []
    for row in range(0, 725, 190):
        genotype = parse_genotype(table["genotype"][row])
        with torch.device("meta"):
            network = CellNetwork(genotype, SMALL, 10)
        found = operations_of(network)
        pooled = found["MaxPool2d"] + found["AvgPool2d"]
        beside = found["BatchNorm2d"] + found["ReLU"] + 9 * pooled
        left.append(round(table["flops"][row] * 1e6) - found["weighted"] - beside)
    assert max(left) - min(left) <= 100  # published to 100 operations


def test_a_module_is_new_of_the_space_and_says_where_blocks_end():
    space = load_space("darts_small")
    module = space.module(12345678901234567, classes=7, image_size=8)
    assert sum(p.numel() for p in module.parameters()) == space.parameters(12345678901234567, 7)
    assert module(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
    names = dict(module.named_modules())
    assert len(module.blocks_end) == 9
    assert all(name in names for name in module.blocks_end)
    assert sum(isinstance(m, ReLUConvBN) for m in names.values()) == 2 * 8 - 2
    for size in (4, 30):
        with pytest.raises(ImageError, match=f"multiple of 4 pixels, from 8, found {size}"):
            space.module(0, classes=7, image_size=size)
