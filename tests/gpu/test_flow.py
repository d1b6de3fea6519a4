"""The synaptic flow of groups is the CPU's, step by step and from image to result."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from buffers import DEVICE, Space
from buffers import read as read_back

from trainfree.scoring.gpu_kernels import flow
from trainfree.scoring.gpu_kernels.launches import (
    Convolution,
    Head,
    Pooling,
    width_of,
)
from trainfree.scoring.quantities import synflow
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces.network import Conv, MaxPool, NetworkBuilder

RNG = np.random.default_rng(0)


def buffers():
    return Space(torch.float64), Space(torch.float32)


def table_of(rows):
    return torch.tensor(rows, dtype=torch.int64, device=DEVICE)


def laid_out(weight):
    """(out, in, kernel, kernel) as kernels read it, (kernel · kernel, out, in)."""
    return np.ascontiguousarray(weight.reshape(*weight.shape[:2], -1).transpose(2, 0, 1))


def reference(node, weight, pair):
    value, exponent = synflow._weigh(node, weight, pair, 0)
    assert exponent == 0
    return value


@pytest.mark.parametrize(
    ("kernel", "stride", "read", "made"),
    [
        *((3, 1, 3, 16), (3, 1, 16, 16), (3, 2, 16, 32), (1, 1, 32, 64), (3, 2, 32, 64)),
        *((1, 2, 5, 19), (3, 1, 5, 19), (5, 1, 3, 16), (5, 2, 5, 19), (3, 1, 70, 3)),
    ],
)
def test_convolution(kernel, stride, read, made):
    height, width = 7, 6
    size = (2, -(-height // stride), -(-width // stride), made)
    pairs, weights = buffers()
    rows, expected = [], []
    for _ in range(2):
        pair = RNG.random((2, height, width, read))
        weight = RNG.standard_normal((made, read, kernel, kernel), dtype=np.float32)
        offsets = pairs.put(pair), weights.put(laid_out(weight))
        rows.append([*offsets, pairs.room(int(np.prod(size))), -1, read, made])
        expected.append(reference(Conv(0, read, made, kernel, stride), weight, pair))
    whole = pairs.tensor()
    geometry = Convolution(
        height, width, kernel, stride, False, False, width_of(read), width_of(made)
    )
    flow.flow_convolve(table_of(rows), geometry, whole, weights.tensor())
    pairs.check(whole)
    for row, right in zip(rows, expected, strict=True):
        assert np.allclose(read_back(whole, row[2], *size), right, rtol=1e-12, atol=0)


@pytest.mark.parametrize("capability", [(8, 0), (8, 6)])
def test_channels_of_rows_may_differ_where_none_is_exact(capability, monkeypatch):
    monkeypatch.setattr(flow, "capability_of", lambda device: capability)
    pairs, weights = buffers()
    rows, expected = [], []
    for read, made in ((5, 17), (9, 31)):
        pair = RNG.random((2, 4, 4, read))
        weight = RNG.standard_normal((made, read, 3, 3), dtype=np.float32)
        offsets = pairs.put(pair), weights.put(laid_out(weight))
        rows.append([*offsets, pairs.room(2 * 16 * made), -1, read, made])
        expected.append(reference(Conv(0, read, made, 3, 1), weight, pair))
    whole = pairs.tensor()
    geometry = Convolution(4, 4, 3, 1, False, False, width_of(5), width_of(17))
    flow.flow_convolve(table_of(rows), geometry, whole, weights.tensor())
    pairs.check(whole)
    for row, right in zip(rows, expected, strict=True):
        found = read_back(whole, row[2], *right.shape)
        assert np.allclose(found, right, rtol=1e-12, atol=0)
        alone = pairs.tensor()
        flow.flow_convolve(table_of([row]), geometry, alone, weights.tensor())
        assert torch.equal(read_back(alone, row[2], *right.shape), found), "other rows matter"


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (2, 2, 0), (3, 2, 1)])
@pytest.mark.parametrize("channels", [16, 70, 3])
def test_max_pool_takes_the_first_of_equal_places(kernel, stride, padding, channels):
    # Values of a few kinds only, so that most windows have several largest places.
    pair = RNG.random((2, 7, 6, channels))
    pair[0] = RNG.integers(0, 3, pair[0].shape)
    right = synflow._largest(MaxPool(0, kernel, stride, padding), pair)
    pairs, _ = buffers()
    row = [pairs.put(pair), pairs.room(right.size), channels]
    whole = pairs.tensor()
    geometry = Pooling(7, 6, kernel, stride, padding, False, False, width_of(channels))
    flow.flow_max_pool(table_of([row]), geometry, whole)
    pairs.check(whole)
    assert np.array_equal(read_back(whole, row[1], *right.shape), right)


@pytest.mark.parametrize("channels", [16, 70, 3])
@pytest.mark.parametrize("classes", [3, 20])
@pytest.mark.parametrize("side", [1, 7])
def test_head(channels, classes, side):
    pairs, weights = buffers()
    rows, expected = [], {}
    for place in (2, 0):
        pair = RNG.random((2, side, side, channels))
        weight = RNG.standard_normal((classes, channels), dtype=np.float32)
        rows.append([pairs.put(pair), weights.put(weight), place, channels, classes])
        mean = pair.mean(axis=(1, 2)).sum(axis=0)
        expected[place] = (np.abs(weight).astype(np.float64) @ mean).sum()
    results = torch.zeros(3, dtype=torch.float64, device=DEVICE)
    geometry = Head(side * side, width_of(channels))
    flow.flow_head(table_of(rows), geometry, pairs.tensor(), weights.tensor(), results)
    assert results[1] == 0
    for place, right in expected.items():
        assert results[place].item() == pytest.approx(right, rel=1e-12)


def test_from_the_image_to_the_logarithm():
    builder = NetworkBuilder()
    node = builder.conv(builder.input(3, 8), 16, 3)
    node = builder.max_pool(builder.conv(node, 20, 3, stride=2), 3, 1, 1)
    builder.linear(builder.global_avg_pool(builder.conv(node, 32, 1)), 10)
    network = builder.network()
    drawn = draw_weights(network, "kaiming", np.random.default_rng(1)).weight
    places = [number for number, _ in network.weighted()]

    pairs, weights = buffers()
    image = np.stack([np.ones((8, 8, 3)), np.zeros((8, 8, 3))])
    maps = [pairs.put(image), *(pairs.room(2 * s * s * c) for s, c in ((8, 16), (4, 20)))]
    maps += [pairs.room(2 * 16 * 20), pairs.room(2 * 16 * 32)]
    layers = [weights.put(laid_out(drawn[n]) if drawn[n].ndim == 4 else drawn[n]) for n in places]
    whole, constants = pairs.tensor(), weights.tensor()
    results = torch.zeros(1, dtype=torch.float64, device=DEVICE)

    def convolve(layer, source, result, side, stride, kernel, read, made):
        geometry = Convolution(
            side, side, kernel, stride, False, False, width_of(read), width_of(made)
        )
        row = [maps[source], layers[layer], maps[result], -1, read, made]
        flow.flow_convolve(table_of([row]), geometry, whole, constants)

    convolve(0, 0, 1, 8, 1, 3, 3, 16)
    convolve(1, 1, 2, 8, 2, 3, 16, 20)
    pooling = Pooling(4, 4, 3, 1, 1, False, False, width_of(20))
    flow.flow_max_pool(table_of([[maps[2], maps[3], 20]]), pooling, whole)
    convolve(2, 3, 4, 4, 1, 1, 20, 32)
    row = [maps[4], layers[3], 0, 32, 10]
    flow.flow_head(table_of([row]), Head(16, width_of(32)), whole, constants, results)
    assert log(results.item()) == pytest.approx(log_synaptic_flow(network, drawn), abs=1e-9)
