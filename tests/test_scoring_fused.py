"""The compiled passes against plain NumPy and torch, and the plan that joins them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from trainfree.scoring import fused
from trainfree.scoring.activations import (
    average_pool,
    make_map,
    make_map_compiled,
    matmul_products,
    packed_products,
)
from trainfree.scoring.plan import ConvStep, Map, MapStep, PoolStep, Term, make_plan
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.skeleton import build_network
from trainfree.spaces.network import AvgPool, Conv, Relu

SHAPES = [(64, 16), (35, 16), (512, 4), (7, 64), (1, 3), (300, 128)]


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-9)])
def test_normalisation_gives_mean_zero_and_variance_one(shape, offset, dtype, tolerance):
    x = (numbers(shape) + offset).astype(dtype)
    mean, scale = fused.normalisation(x, 1e-5)
    exact = x.astype(np.longdouble)
    expected = 1 / np.sqrt(exact.var(axis=0) + 1e-5)
    np.testing.assert_allclose(scale, expected.astype(float), rtol=tolerance)
    np.testing.assert_allclose(
        mean, exact.mean(axis=0).astype(float), rtol=tolerance, atol=tolerance
    )


def test_a_constant_channel_is_normalised_to_zero():
    x = np.full((64, 16), 7.1, np.float32)
    total = np.empty_like(x)
    fused.combine([(x, *fused.normalisation(x, 1e-5))], total, None, None)
    np.testing.assert_array_equal(total, np.zeros((64, 16)))


PATTERNS = [outputs for outputs in product([True, False], repeat=3) if any(outputs)]


@pytest.mark.parametrize("outputs", PATTERNS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_combine_is_the_plain_formula_for_every_pattern_of_outputs(count, outputs):
    shape = (48, 16)
    scaled = [(numbers(shape, n), numbers(16, n + 10), numbers(16, n + 20)) for n in range(count)]
    terms = [*scaled[:-1], (scaled[-1][0], None, None)] if count > 1 else scaled
    expected = sum(x if mean is None else (x - mean) * scale for x, mean, scale in terms)
    total, rectified, positive = (
        np.empty(shape, dtype) if wanted else None
        for wanted, dtype in zip(outputs, (float, float, bool), strict=True)
    )
    fused.combine(terms, total, rectified, positive)
    if total is not None:
        np.testing.assert_allclose(total, expected, atol=1e-12)
    if rectified is not None:
        np.testing.assert_allclose(rectified, np.maximum(expected, 0), atol=1e-12)
    if positive is not None:
        np.testing.assert_array_equal(positive, expected > 0)


@pytest.mark.parametrize("shape", [(2, 2, 2, 4), (3, 8, 8, 16), (1, 5, 7, 3), (2, 3, 2, 1)])
def test_average_equals_torch(shape):
    x = numbers(shape)
    out = np.empty_like(x)
    fused.average_3x3(x, out)
    expected = F.avg_pool2d(
        torch.from_numpy(x).permute(0, 3, 1, 2), 3, 1, 1, count_include_pad=False
    )
    np.testing.assert_allclose(out, expected.permute(0, 2, 3, 1).numpy(), atol=1e-12)


@pytest.mark.parametrize("geometry", [(3, 1, 1), (2, 2, 0), (3, 2, 1)])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_pooling_is_the_same_compiled_or_not(geometry, size):
    x = torch.from_numpy(numbers((2, 4, size, size))).contiguous(memory_format=torch.channels_last)
    node = AvgPool(0, *geometry)
    if size + 2 * geometry[2] < geometry[0]:
        pytest.skip("the window is larger than the image")
    torch.testing.assert_close(average_pool(x, node, True), average_pool(x, node, False))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_products_of_codes_equal_the_definition(images, units, share, seed):
    code = np.random.default_rng(seed).random((images, units)) < share
    ones = code.astype(np.int64)
    for products in (packed_products, matmul_products):
        np.testing.assert_array_equal(products(torch.from_numpy(code)), ones @ ones.T)


@pytest.mark.parametrize("terms", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("keep_sum", "keep_rectified", "once"), [(True, True, 2), (False, True, 1), (True, False, 0)]
)
def test_a_map_is_the_same_compiled_or_not(terms, keep_sum, keep_rectified, once):
    shape = (3, 8, 4, 4)
    batch = torch.zeros(shape, dtype=torch.float64)
    sources = {
        Map(number): torch.from_numpy(numbers(shape, number)).contiguous(
            memory_format=torch.channels_last
        )
        for number in range(terms)
    }
    step = MapStep(
        9,
        tuple(Term(number, normalised=number != 1) for number in range(terms)),
        keep_sum,
        keep_rectified,
        once,
        2 * once,
    )
    plain, compiled = dict(sources), dict(sources)
    code = make_map(step, plain, batch, shape)
    compiled_code = make_map_compiled(step, compiled, batch, shape)
    assert set(plain) == set(compiled)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=1e-12, rtol=0)
    if once:
        assert torch.equal(code, compiled_code)
    else:
        assert code is None
        assert compiled_code is None


SPACE = load_space("nasbench201")
SAMPLE = [int(arch) for arch in np.random.default_rng(4).integers(len(SPACE), size=60)]


@pytest.mark.parametrize("arch", SAMPLE)
def test_the_plan_counts_every_relu_and_reads_only_what_is_there(arch):
    network = build_network(SPACE, arch, 32, 10)
    plan = make_plan(network)
    relus = [node for node in network.nodes if isinstance(node, Relu)]
    maps = [step for step in plan.steps if isinstance(step, MapStep)]
    assert sum(step.once for step in maps) == sum(node.modules for node in relus)
    assert sum(step.official for step in maps) == sum(
        node.modules * (1 + node.wrapped) for node in relus
    )
    held = {Map(0)}
    for step, dropped in plan:
        assert step.reads <= held
        if isinstance(step, MapStep):
            held |= {Map(step.number)} if step.keep_sum else set()
            held |= {Map(step.number, rectified=True)} if step.keep_rectified else set()
            assert len(step.terms) <= fused.MOST_TERMS
        else:
            assert isinstance(step, ConvStep | PoolStep)
            held.add(Map(step.number))
        held -= dropped
    assert not held  # nothing is made that nobody reads


def test_dead_convolutions_are_not_executed_but_their_relus_count():
    arch = SPACE.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|none~2|")
    network = build_network(SPACE, arch, 32, 10)
    plan = make_plan(network)
    executed = sum(isinstance(step, ConvStep) for step in plan.steps)
    assert sum(isinstance(node, Conv) for node in network.nodes) == 1 + 6 + 2 * 15
    assert executed == 1 + 6  # stem and residual blocks
    assert sum(step.once for step in plan.steps if isinstance(step, MapStep)) == 2 * 15 + 5
