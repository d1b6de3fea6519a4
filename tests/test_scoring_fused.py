"""The compiled passes against plain NumPy and torch, and the plan that joins them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.convolution import convolve
from trainfree.scoring.cpu_engine.executors import CompiledExecutor, TorchExecutor, float_products
from trainfree.scoring.cpu_engine.fused import (
    MOST_TERMS,
    Moments,
    Summand,
    average,
    code_products,
    combine,
    empty_codes,
    moments_of,
)
from trainfree.scoring.cpu_engine.plan import ConvStep, Joined, MapStep, PoolStep, Term, make_plan
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Conv, NetworkBuilder, Relu

EPSILON = 1e-5
SHAPES = [(3, 8, 8, 16), (2, 4, 4, 64), (5, 3, 7, 5), (2, 2, 2, 1), (1, 32, 32, 16)]


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def unpacked(codes, shape):
    """The code of each unit, (B, height, width, C), from packed bits."""
    images, height, width, channels = shape
    pieces = -(-width * channels // 16)
    bits = np.unpackbits(codes.view(np.uint8), axis=1, bitorder="little")
    rows = bits[:, : height * pieces * 16].reshape(images, height, pieces * 16)
    assert not rows[:, :, width * channels :].any()
    assert not bits[:, height * pieces * 16 :].any()
    return rows[:, :, : width * channels].reshape(shape).astype(bool)


def pooled(x):
    """Torch's mean over 3 × 3 neighbourhoods."""
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    return F.avg_pool2d(image, 3, 1, 1, count_include_pad=False).permute(0, 2, 3, 1).numpy()


def plainly(summands):
    total = 0.0
    for x, moments, averaged in summands:
        value = pooled(x) if averaged else x
        if moments is not None:
            value = (value - moments.mean) / np.sqrt(moments.variance + EPSILON)
        total = total + value
    return total


@pytest.mark.parametrize("kept", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(
    "kinds", [kinds for count in (1, 2, 3) for kinds in product("pna", repeat=count)], ids="".join
)
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_combine_is_the_plain_formula(shape, kinds, kept):
    maps = [numbers(shape, seed) for seed in range(len(kinds))]
    summands = [
        Summand(x, moments_of(x) if kind == "n" else None, kind == "a")
        for x, kind in zip(maps, kinds, strict=True)
    ]
    expected = plainly(summands)
    total = np.empty(shape) if kept[0] else None
    codes = empty_codes(shape) if kept[1] else None
    combine(summands, EPSILON, total, codes)
    if total is not None:
        np.testing.assert_allclose(total, expected, atol=1e-12)
    if codes is not None:
        np.testing.assert_array_equal(unpacked(codes, shape), expected > 0)


@pytest.mark.parametrize("shape", [(2, 4, 32, 40), (2, 3, 48, 24), (1, 2, 32, 136)])
def test_scales_recur_along_a_row(shape):
    """A row of pixels is longer than what scales are written out for."""
    maps = [numbers(shape, seed) + seed for seed in range(3)]
    summands = [Summand(maps[0], moments_of(maps[0])), Summand(maps[1])]
    summands.append(Summand(maps[2], moments_of(maps[2])))
    total, codes = np.empty(shape), empty_codes(shape)
    combine(summands, EPSILON, total, codes)
    np.testing.assert_allclose(total, plainly(summands), atol=1e-12)
    np.testing.assert_array_equal(unpacked(codes, shape), total > 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_a_map_are_numpys_to_the_bit(dtype):
    x = (3 * numbers((7, 8, 8, 40)) + 1).astype(dtype)
    found, axes = moments_of(x), (0, 1, 2)
    np.testing.assert_array_equal(found.mean, x.mean(axis=axes, dtype=np.float64))
    np.testing.assert_array_equal(found.variance, x.var(axis=axes, dtype=np.float64))


def test_a_sum_may_be_written_over_a_summand():
    x, y = numbers((3, 8, 8, 16), 1), numbers((3, 8, 8, 16), 2)
    summands = [Summand(x, moments_of(x)), Summand(y, averaged=True)]
    expected = plainly(summands)
    combine(summands, EPSILON, x, None)
    np.testing.assert_allclose(x, expected, atol=1e-12)


def test_a_constant_channel_is_normalised_to_zero():
    x = np.full((4, 8, 8, 16), 7.1, np.float32)
    _, moments = convolve(np.ones_like(x), np.zeros((16, 16, 1, 1), np.float32), 1, 0, False)
    assert not moments.mean.any()
    total, codes = np.empty_like(x), empty_codes(x.shape)
    combine(
        [Summand(x, Moments(np.full(16, np.float32(7.1)), np.zeros(16)))], EPSILON, total, codes
    )
    assert not total.any()
    assert not codes.any()


GEOMETRIES = [(3, 1, 1), (2, 2, 0), (3, 2, 1), (2, 1, 0), (5, 1, 2)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("shape", [*SHAPES, (2, 1, 1, 4), (2, 1, 6, 3)])
def test_average_equals_torch(shape, geometry):
    kernel, stride, padding = geometry
    x = numbers(shape)
    if min(shape[1:3]) + 2 * padding < kernel:
        with pytest.raises(ValueError, match="does not fit"):
            average(x, *geometry)
        return
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    expected = F.avg_pool2d(image, kernel, stride, padding, count_include_pad=False)
    np.testing.assert_allclose(
        average(x, *geometry), expected.permute(0, 2, 3, 1).numpy(), atol=1e-12
    )


@given(st.integers(1, 9), st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_products_of_codes_equal_the_definition(images, units, share, seed):
    code = np.random.default_rng(seed).random((images, units)) < share
    ones = code.astype(np.int64)
    x = np.where(code, 1.0, -1.0).reshape(images, 1, 1, units)
    packed = empty_codes(x.shape)
    combine([Summand(x)], EPSILON, None, packed)
    np.testing.assert_array_equal(code_products(packed), ones @ ones.T)
    of_tensor = torch.from_numpy(code)
    np.testing.assert_array_equal(TorchExecutor.products(None, of_tensor), ones @ ones.T)
    np.testing.assert_array_equal(float_products(of_tensor), ones @ ones.T)


@pytest.mark.parametrize("terms", [0, 1, 2, 3])
@pytest.mark.parametrize(("keep", "once"), [(True, 2), (False, 1), (True, 0)])
def test_a_map_is_the_same_compiled_or_not(terms, keep, once):
    builder = NetworkBuilder()
    source = builder.input(8, 4)
    for _ in range(2):
        builder.zeros_like(source)
    network, batch = builder.network(), torch.from_numpy(numbers((3, 8, 4, 4)))
    kinds = [Joined.NORMALISED, Joined.AVERAGED, Joined.PLAIN][:terms]
    step = MapStep(1, tuple(Term(0, kind) for kind in kinds), keep, once, 2 * once)
    products = []
    for kind in (CompiledExecutor, TorchExecutor):
        executor = kind(network, {}, batch)
        code = executor.combine(step, {0})
        assert (code is not None) == bool(once)
        products.append(executor.products(code) if once else None)
        if keep:  # read it back through a step that counts
            again = MapStep(2, (Term(1, Joined.PLAIN),), False, 1, 1)
            products[-1] = (products[-1], executor.products(executor.combine(again, set())))
    np.testing.assert_equal(*products)


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
    held = {0}
    for step, dropped in plan:
        assert step.reads <= held
        if isinstance(step, MapStep):
            held |= {step.number} if step.keep else set()
            assert len(step.terms) <= MOST_TERMS
        else:
            assert isinstance(step, ConvStep | PoolStep)
            held.add(step.number)
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


def test_convolutions_that_read_the_same_go_in_pairs():
    arch = SPACE.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    )
    plan = make_plan(build_network(SPACE, arch, 32, 10))
    steps = {step.number: step for step in plan.steps if isinstance(step, ConvStep)}
    partners = plan.partners()
    for number, other in partners.items():
        step = steps[number]
        assert other.number > number
        assert (step.source, step.relu) == (other.source, other.relu)
        assert step.node.kernel == other.node.kernel
    # two of the three 3 × 3 and both 1 × 1 of each cell; the first residual convolution has none
    assert len(partners) == 2 * 15
    others = [other.number for other in partners.values()]
    assert len(set(others) | set(partners)) == 2 * len(partners)
