"""Networks of NDS: golden counts from outside, a forward pass of each space, texts and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nds_files import entries_of, net_of

from trainfree.errors import ArchitectureError
from trainfree.spaces import SPACE_NAMES, describes_networks, load_space, network_modules
from trainfree.spaces.nds.complexity import (
    auxiliary_parameters,
    count,
    operations_of,
    parameters_of,
)
from trainfree.spaces.nds.modules import OPERATIONS as BUILT
from trainfree.spaces.nds.modules import build, build_as_scored
from trainfree.spaces.nds.networks import BLOCKS, OPERATIONS, parse_network, read_network
from trainfree.spaces.nds.space import NdsSpace
from trainfree.spaces.nds.sweeps import SWEEPS
from trainfree.spaces.protocol import ModuleSpace

# The entries of the official files that NNI's documentation prints, with parameters and operations
# in millions to the last digit (microsoft/nni, docs/en_US/NAS/BenchmarksExample.ipynb).
AMOEBA = {
    "genotype": {
        "normal": [
            *(["avg_pool_3x3", 0], ["conv_7x1_1x7", 1], ["sep_conv_3x3", 2], ["sep_conv_5x5", 0]),
            *(["dil_sep_conv_3x3", 2], ["dil_sep_conv_3x3", 2], ["skip_connect", 4]),
            *(["dil_sep_conv_3x3", 4], ["conv_7x1_1x7", 2], ["sep_conv_3x3", 4]),
        ],
        "normal_concat": [3, 5, 6],
        "reduce": [
            *(["avg_pool_3x3", 0], ["dil_sep_conv_3x3", 1], ["sep_conv_3x3", 0]),
            *(["sep_conv_3x3", 0], ["skip_connect", 2], ["sep_conv_7x7", 0], ["conv_7x1_1x7", 4]),
            *(["skip_connect", 4], ["conv_7x1_1x7", 0], ["conv_7x1_1x7", 5]),
        ],
        "reduce_concat": [3, 6],
    },
    **{"depth": 12, "width": 32, "aux": False, "drop_prob": 0.0},
}
RESNEXT_A = {
    "block_type": "res_bottleneck_block",
    **{"bot_muls": [0.0, 0.25, 0.25, 0.25], "ds": [1, 16, 1, 4], "num_gs": [1, 2, 1, 2]},
    **{"ss": [1, 1, 2, 2], "ws": [16, 64, 128, 16]},
}
STAGES = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "bot_muls": [], "num_gs": []}
RESNET = {"block_type": "res_basic_block", **STAGES, "ws": [16, 24, 24, 40]}
VANILLA = {"block_type": "double_plain_block", **STAGES, "ws": [16, 24, 32, 40]}
PRINTED = [
    (AMOEBA, 4.190314, 664.400586),
    (RESNEXT_A, 0.083002, 69.890986),
    (RESNET, 0.594138, 184.519578),
    (VANILLA, 0.68977, 208.36393),
]

DARTS_V2 = (
    "sep_conv_3x3~0+sep_conv_3x3~1+sep_conv_3x3~0+sep_conv_3x3~1+sep_conv_3x3~1+skip_connect~0"
    "+skip_connect~0+dil_conv_3x3~2>2,3,4,5",
    "max_pool_3x3~0+max_pool_3x3~1+skip_connect~2+max_pool_3x3~1+max_pool_3x3~0+skip_connect~2"
    "+skip_connect~2+max_pool_3x3~1>2,3,4,5",
)
PDARTS = (
    "skip_connect~0+dil_conv_3x3~1+skip_connect~0+sep_conv_3x3~1+sep_conv_3x3~1+sep_conv_3x3~3"
    "+sep_conv_3x3~0+dil_conv_5x5~4>2,3,4,5",
    "avg_pool_3x3~0+sep_conv_5x5~1+sep_conv_3x3~0+dil_conv_5x5~2+max_pool_3x3~0+dil_conv_3x3~1"
    "+dil_conv_3x3~1+dil_conv_5x5~3>2,3,4,5",
)


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("net", "params", "flops"), PRINTED)
def test_counts_are_those_that_the_official_files_have(net, params, flops):
    network = read_network(net)
    counts = count(network, 10, 32)
    assert counts.parameters == round(params * 1e6)
    assert operations_of(counts, network) == round(flops * 1e6)
    assert weights(build(network, 10)) == counts.parameters
    assert parse_network(str(network)) == network


@pytest.mark.parametrize(
    ("cells", "auxiliary", "printed"),
    [
        # quark0/darts prints "param size = 3.349342MB" for DARTS_V2;
        # chenxin061/pdarts issue 7 counts P-DARTS with and without the auxiliary classifier.
        (DARTS_V2, 0, 3_349_342),
        (PDARTS, 0, 3_433_798),
        (PDARTS, 1, 3_910_224),
    ],
)
def test_counts_are_those_that_the_field_prints_of_known_genotypes(cells, auxiliary, printed):
    normal, reduction = cells
    network = parse_network(f"cells w=36 d=20 aux={auxiliary} normal={normal} reduce={reduction}")
    assert parameters_of(network, 10) + auxiliary_parameters(network, 10) == printed


def bottlenecks(widths, inner, groups):
    """Return ResNet-50's stages; its stem of 7 x 7 pixels is not ours, which has 3 x 3."""
    parts = ",".join(map(str, (0.0, *(i / w for i, w in zip(inner, widths, strict=True)))))
    text = f"d=1,3,4,6,3 w=64,{','.join(map(str, widths))} s=1,1,2,2,2 b={parts}"
    return parse_network(f"stages res_bottleneck_block {text} g=1,{','.join([str(groups)] * 4)}")


@pytest.mark.parametrize(
    ("inner", "groups", "printed"), [(64, 1, 25_557_032), (128, 32, 25_028_904)]
)
def test_bottlenecks_are_those_of_resnet_50_and_resnext_50(inner, groups, printed):
    """Counted by torchvision; pycls' model zoo prints 25.0 million of the second."""
    widths = [256, 512, 1024, 2048]
    network = bottlenecks(widths, [inner << stage for stage in range(4)], groups)
    larger_stem = 64 * 3 * (49 - 9)
    assert parameters_of(network, 1000) + larger_stem == printed


@pytest.mark.parametrize("name", SWEEPS)
def test_twenty_networks_of_each_space_give_logits_and_have_the_counted_weights(name):
    sweep, rng = SWEEPS[name], np.random.default_rng(5)
    size = 64 if sweep.imagenet or sweep.scored else 16
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(3))
    texts = [f"{place}: {read_network(net_of(sweep, rng, depth=3))}" for place in range(20)]
    space = NdsSpace(name, sweep, 20, texts)
    for index in range(20):
        if sweep.parts == ("res_bottleneck_block",) and sweep.scored:
            continue
        module = space.module(index, classes=7, image_size=size)
        with torch.no_grad():
            logits = module(images)
        assert logits.shape == (2, 7)
        assert logits.isfinite().all()
        if not sweep.scored:
            expected = parameters_of(space.network(index), 7, imagenet=sweep.imagenet)
            assert weights(module) == expected
        assert space.parse(space.to_string(index)) == index


def test_every_operation_is_built_counted_and_keeps_the_size():
    assert set(BUILT) == set(OPERATIONS)
    features = torch.randn(2, 6, 8, 8)
    for name in OPERATIONS:
        for stride in (1, 2):
            module = BUILT[name](6, stride)
            assert module(features).shape == (2, 6, 8 // stride, 8 // stride), name
            counts = count(parse_network(cells_with(name)), 10, 8)
            assert counts.parameters == weights(build(parse_network(cells_with(name)), 10))


def cells_with(name):
    return f"cells w=6 d=3 aux=0 normal={name}~0+{name}~1>2 reduce={name}~0+{name}~1>2"


def test_averages_leave_the_margin_out_and_zeros_are_zeros():
    ones = torch.ones(1, 2, 4, 4)
    assert torch.equal(BUILT["avg_pool_3x3"](2, 1)(ones), ones)
    assert not BUILT["none"](2, 2)(ones).any()


def test_a_reduction_takes_every_pixel_once():
    """The second half of its channels sees the pixels one row and one column aside."""
    module = BUILT["skip_connect"](2, 2).eval()
    with torch.no_grad():
        for convolution in (module.straight, module.aside):
            convolution.weight.fill_(1.0)
    images = torch.arange(32.0).reshape(1, 2, 4, 4)
    summed = images.sum(dim=1)
    found = module(images)
    scale = (1 + module.norm.eps) ** -0.5
    torch.testing.assert_close(found[:, 0], summed[:, ::2, ::2] * scale)
    torch.testing.assert_close(found[:, 1], summed[:, 1::2, 1::2] * scale)


def test_stages_begin_with_the_weights_of_pycls():
    torch.manual_seed(0)
    module = build(read_network(VANILLA), 10)
    weight = module.blocks[30][0].weight  # 40 channels of 3 x 3 pixels
    assert weight.std().item() == pytest.approx((2 / (9 * 40)) ** 0.5, rel=0.03)
    assert module.classifier.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert not module.classifier.bias.any()


def test_networks_as_the_published_code_builds_them():
    """A stem of 12 channels, of 7 x 7 pixels for ResNet, and the first stage behind it."""
    resnet = build_as_scored(read_network(RESNET), 1, imagenet_stem=True)
    assert resnet.stem[0][0].weight.shape == (12, 3, 7, 7)
    assert isinstance(resnet.stem[2], torch.nn.MaxPool2d)
    assert len(resnet.blocks) == 37
    assert resnet.blocks[0].body[0].weight.shape == (16, 12, 3, 3)
    vanilla = build_as_scored(read_network(VANILLA), 1, imagenet_stem=False)
    assert vanilla.stem[0][0].weight.shape == (12, 3, 3, 3)
    assert vanilla.stem(torch.zeros(1, 3, 32, 32)).shape[-1] == 16
    with pytest.raises(ArchitectureError, match="stops at bottlenecks"):
        build_as_scored(read_network(RESNEXT_A), 1, imagenet_stem=True)


def test_the_suite_knows_the_spaces():
    assert set(SWEEPS) <= set(SPACE_NAMES)
    assert sum(len(load_space(name)) for name in ("nds_amoeba", "nds_amoeba_in")) == 5107
    for name in SWEEPS:
        assert isinstance(load_space(name), ModuleSpace)
        assert not describes_networks(name)
        assert "trainfree.spaces.nds.space" in network_modules(name)
    with pytest.raises(ArchitectureError, match=r"snakemake data/benchmarks/nds_resnet\.h5"):
        len(load_space("nds_resnet"))


def changed(net, **changes):
    return {**net, **changes}


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        ([], "expected a dictionary 'net'"),
        ({"genotype": {}}, "expected a key 'width'"),
        (changed(AMOEBA, genotype=3), "genotype: expected a dictionary"),
        (changed(AMOEBA, genotype={"normal": [["sep_conv_3x3"]]}), r"list of \[operation, input\]"),
        (changed(AMOEBA, width=True), "width: expected a whole number"),
        (changed(AMOEBA, depth=10**9), "depth: expected a whole number 1 to 100"),
        (changed(AMOEBA, aux=1), "aux: expected true or false"),
        (changed(RESNET, block_type="os.system"), "block_type: expected res_bottleneck_block"),
        (changed(RESNET, ds=[]), "ds: expected a stem"),
        (changed(RESNET, ds=[1, 400, 1, 1]), "stages of 400 blocks at most"),
        (changed(RESNET, ws=[16, 24]), "ws: expected 4 values as in ds"),
        (changed(RESNET, ws=[16, 24, 24, float("nan")]), "ws: expected a whole number"),
        (changed(RESNEXT_A, num_gs=[1, 3, 1, 2]), "a bottleneck that 3 groups divide"),
        (changed(RESNEXT_A, bot_muls=None), "bot_muls: expected 4 values"),
    ],
)
def test_what_makes_no_network_is_refused_by_its_key(net, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        read_network(net)


def genotype(**changes):
    return changed(AMOEBA, genotype={**AMOEBA["genotype"], **changes})


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (genotype(normal=[["eval", 0], ["eval", 1]]), "expected an operation, found 'eval'"),
        (genotype(normal=[["skip_connect", 2], ["skip_connect", 0]]), "to be 0 to 1, found 2"),
        (genotype(normal=[["skip_connect", 0]]), "two operations for each"),
        (genotype(normal_concat=[9]), "expected nodes 0 to 6"),
        (genotype(normal_concat=[]), "expected a list of nodes"),
        (genotype(reduce_concat=[1, 6]), "expected nodes of the cell, 2 and more"),
    ],
)
def test_cells_that_cannot_be_are_refused(net, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        read_network(net)


@pytest.mark.parametrize("text", ["", "cells", "tree w=1", "cells w=x d=1", "stages a d=1 w=1"])
def test_texts_of_no_network_are_refused(text):
    with pytest.raises(ArchitectureError, match="an NDS network"):
        parse_network(text)


@pytest.mark.parametrize("name", ["nds_pnas", "nds_resnext_a"])
def test_texts_read_back(name):
    for entry in entries_of(name, 30, seed=8):
        network = read_network(entry["net"])
        assert parse_network(str(network)) == network
    assert len(BLOCKS) == 3
