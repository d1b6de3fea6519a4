"""Maps of a constant image, computed only as far as their border is felt."""

from __future__ import annotations

import numpy as np
import pytest

from trainfree.randomness import stream
from trainfree.scoring.cpu_engine.constant_image import expand, reduced_sizes
from trainfree.scoring.quantities import synflow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import NetworkBuilder
from trainfree.spaces.transnas101.macro import skeleton as macro_skeleton
from trainfree.spaces.transnas101.micro import skeleton as micro_skeleton

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = load_space("nasbench201")
MACRO, MICRO = load_space("transnas101_macro"), load_space("transnas101_micro")
UNEVEN = [
    *((MACRO, MACRO.parse(f"64-{code}-basic")) for code in ("434411", "1234")),
    *((MICRO, MICRO.parse(f"64-41414-{code}")) for code in ("1_11_111", "1_02_130")),
]
"""Architectures of networks that take images of any size; some with maps moved by a pixel."""
SAMPLE = [int(arch) for arch in np.random.default_rng(8).integers(len(SPACE), size=25)]


@pytest.mark.parametrize("size", [32, 16, 12])
@pytest.mark.parametrize("arch", SAMPLE)
def test_reduced_maps_give_the_flow_of_full_maps(arch, size, monkeypatch):
    compare_with_full_maps(build_network(SPACE, arch, size, 10), monkeypatch)


@pytest.mark.parametrize("size", [64, 62, 36, 17])
@pytest.mark.parametrize("which", range(len(UNEVEN)))
def test_so_do_those_that_are_halved_unevenly_or_moved(which, size, monkeypatch):
    monkeypatch.setattr(macro_skeleton, "STEM", 4)
    monkeypatch.setattr(micro_skeleton, "STEM", 4)
    compare_with_full_maps(build_network(*UNEVEN[which], size, 10), monkeypatch)


def test_each_move_carries_the_border_by_a_pixel(monkeypatch):
    builder = NetworkBuilder()
    x = builder.conv(builder.input(3, 16), 4, kernel=3)
    for _ in range(3):
        x = builder.shift(x)
    x = builder.add([x, builder.conv(x, 4, kernel=1)])
    builder.linear(builder.global_avg_pool(x), 10)
    compare_with_full_maps(builder.network(), monkeypatch)


def compare_with_full_maps(network, monkeypatch):
    drawn = draw_weights(network, "pytorch", stream(0, "weights", 1)).weight
    reduced = synflow.log_synaptic_flow(network, drawn)
    monkeypatch.setattr(
        synflow,
        "reduced_sizes",
        lambda full: [shape[1] if len(shape) == 3 else 0 for shape in full.shapes],
    )
    full = synflow.log_synaptic_flow(network, drawn)
    assert reduced == pytest.approx(full, abs=1e-12) or reduced == full == -np.inf


def test_sizes_follow_the_reach_of_the_border():
    conv = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"
    network = build_network(SPACE, SPACE.parse(conv), 32, 10)
    sizes = reduced_sizes(network)
    assert sizes[0] == 2  # the image itself is the same everywhere
    assert sizes[1] == 4  # one pixel of influence from each side, and two in the middle
    for shape, size in zip(network.shapes, sizes, strict=True):
        assert size == 0 if len(shape) == 1 else 2 <= size <= shape[1]
    wide = [s for shape, s in zip(network.shapes, sizes, strict=True) if shape[1:] == (32, 32)]
    assert max(wide) == 2 * 6 + 2  # stem and five cells


def test_expand_repeats_the_middle():
    x = np.arange(32.0).reshape(2, 4, 4, 1)
    rows = [0, 1, 1, 1, 2, 3]
    np.testing.assert_array_equal(expand(x, 6), x[:, rows][:, :, rows])
    assert expand(x, 4) is x
