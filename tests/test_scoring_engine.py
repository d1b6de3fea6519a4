"""The engine against plain modules, hooks and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from scipy.stats import spearmanr

from trainfree.randomness import stream
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.nasbench201.space import CellSpace

SMALL = CellSpace("small", stem_channels=4, cells_per_stage=2)
WIDE = CellSpace("wide", stem_channels=16, cells_per_stage=1)
SPECIAL = {
    "zero output": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "all skip": "|skip_connect~0|+|skip_connect~0|skip_connect~1|+"
    "|skip_connect~0|skip_connect~1|skip_connect~2|",
    "all pool": "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+"
    "|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
    "dead branch": "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|none~2|",
    "conv on zeros": "|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|",
    "zero output, live convs": "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+"
    "|none~0|none~1|none~2|",
    "all 3x3": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
}
ARCHITECTURES = [SMALL.parse(text) for text in SPECIAL.values()] + [
    int(arch) for arch in np.random.default_rng(3).integers(len(SMALL), size=12)
]
pytestmark = pytest.mark.usefixtures("one_thread")


def twins(space: CellSpace, arch: int, size: int, classes: int = 10, dtype=torch.float64):
    """The package's network and weights, and the reference module with the same weights."""
    network = build_network(space, arch, size, classes)
    drawn = draw_weights(network, "pytorch", stream(5, "weights", arch))
    module = reference.TinyNetwork(
        space.operation_names(arch), space.stem_channels, space.cells_per_stage, classes
    ).to(dtype)
    weights = {n: torch.from_numpy(w).to(dtype) for n, w in drawn.weight.items()}
    with torch.no_grad():
        layers = reference.weighted_in_order(module)
        for layer, (number, _) in zip(layers, network.weighted(), strict=True):
            layer.weight.copy_(weights[number])
    return network, weights, module


def arrays(weights):
    return {number: weight.numpy() for number, weight in weights.items()}


def batch_of(images: int, size: int, dtype=torch.float64) -> torch.Tensor:
    pixels = np.random.default_rng(1).standard_normal((images, 3, size, size))
    return torch.from_numpy(pixels).to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "torch"])
@pytest.mark.parametrize("space", [SMALL, WIDE], ids=["4 channels", "16 channels"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_kernels_equal_hooked_modules_entry_for_entry_in_float64(arch, space, compiled):
    network, weights, module = twins(space, arch, 16)
    batch = batch_of(7, 16)
    kernels = relu_kernels(network, weights, batch, PhaseClock(), compiled)
    np.testing.assert_array_equal(
        kernels.per_module, reference.relu_kernel(module, batch, official=False)
    )
    np.testing.assert_array_equal(
        kernels.official, reference.relu_kernel(module, batch, official=True)
    )


@pytest.mark.parametrize("arch", ARCHITECTURES[::3])
def test_the_published_way_of_counting_gives_the_official_kernel(arch):
    network, weights, module = twins(SMALL, arch, 16, dtype=torch.float32)
    batch = batch_of(7, 16, torch.float32)
    official = relu_kernels(network, weights, batch, PhaseClock()).official
    published = reference.published_kernel(module, batch)
    assert np.abs(published - official).max() <= 2 * 20  # single codes flip with rounding
    np.testing.assert_array_equal(published.diagonal(), official.diagonal())


def test_published_size_in_float32_agrees_in_score_and_rank():
    space = load_space("nasbench201")
    batch = batch_of(16, 32, torch.float32)
    ours, theirs = [], []
    for arch in np.random.default_rng(0).integers(len(space), size=10):
        network, weights, module = twins(space, int(arch), 32, dtype=torch.float32)
        kernel = relu_kernels(network, weights, batch, PhaseClock()).per_module
        ours.append(log_abs_determinant(kernel))
        theirs.append(log_abs_determinant(reference.relu_kernel(module, batch, official=False)))
    singular = np.isneginf(ours)
    np.testing.assert_array_equal(singular, np.isneginf(theirs))
    finite = ~singular
    assert np.abs(np.array(ours)[finite] - np.array(theirs)[finite]).max() < 0.05
    assert spearmanr(ours, theirs).statistic > 0.999


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_synaptic_flow_equals_the_backward_computation(arch):
    network, weights, module = twins(SMALL, arch, 16)
    weights = {number: weight.float() for number, weight in weights.items()}
    ours = log_synaptic_flow(network, arrays(weights))
    expected = reference.log_synaptic_flow(module, 16)
    if math.isinf(expected):
        assert ours == expected
    else:
        # relative error of the flow itself is the absolute error of its logarithm
        assert abs(ours - expected) < 1e-9


def test_synaptic_flow_of_the_published_size_survives_weights_that_overflow_float64():
    space = load_space("nasbench201")
    arch = space.parse(SPECIAL["all 3x3"])
    network, weights, module = twins(space, arch, 32)
    plain = log_synaptic_flow(network, arrays(weights))
    assert abs(plain - reference.log_synaptic_flow(module, 32)) < 1e-9
    scale = 2.0**40  # 50 layers deep: 2 ** 2000 overflows, and the exact answer is known
    scaled = {number: weight * scale for number, weight in weights.items()}
    huge = log_synaptic_flow(network, arrays(scaled))
    assert math.isfinite(huge)
    assert huge > 1000 > plain


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_synaptic_flow_is_homogeneous_in_one_layer(factor):
    arch = SMALL.parse(SPECIAL["all 3x3"])
    network, weights, _ = twins(SMALL, arch, 16)
    plain = log_synaptic_flow(network, arrays(weights))
    first, _ = next(network.weighted())
    scaled = {**weights, first: weights[first] * factor}
    ours = log_synaptic_flow(network, arrays(scaled))
    assert ours - plain == pytest.approx(math.log(factor), abs=1e-9)


def test_relu_counts_of_the_all_3x3_cell():
    space = load_space("nasbench201")
    arch = space.parse(SPECIAL["all 3x3"])
    network = build_network(space, arch, 32, 10)
    module = reference.TinyNetwork(space.operation_names(arch), 16, 5, 10)
    assert network.relu_units == sum(
        units * modules
        for units, modules in (
            (16 * 32 * 32, 30 + 1),  # cells and first residual ReLU
            (32 * 16 * 16, 30 + 2),  # its second, cells, and the next block's first
            (64 * 8 * 8, 30 + 2),  # its second, cells, and the last activation
        )
    )
    own = reference.relu_kernel(module, batch_of(1, 32, torch.float32), official=False)
    assert own.item() == network.relu_units


def test_two_all_equal_images_make_the_kernel_singular():
    network, weights, _ = twins(SMALL, ARCHITECTURES[-1], 16)
    batch = batch_of(1, 16).repeat(4, 1, 1, 1)
    kernel = relu_kernels(network, weights, batch, PhaseClock()).per_module
    assert log_abs_determinant(kernel) == -math.inf


def test_kernel_diagonal_counts_all_units_and_matrix_is_symmetric():
    network, weights, _ = twins(SMALL, ARCHITECTURES[-1], 16)
    kernel = relu_kernels(network, weights, batch_of(5, 16), PhaseClock()).per_module
    assert set(kernel.diagonal()) == {network.relu_units}
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, np.round(kernel))
