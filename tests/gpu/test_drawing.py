"""Weights of groups are NumPy's, bit for bit, wherever they are drawn."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from trainfree.randomness import stream
from trainfree.scoring.gpu_engine.host_weights import host_weights
from trainfree.scoring.gpu_kernels.drawing import draw, jump_table
from trainfree.scoring.gpu_kernels.launches import ALIGNMENT, DRAW_FIELDS
from trainfree.scoring.weights import draw_weights, weight_scale
from trainfree.spaces.network import Linear, NetworkBuilder

SEED = 5
CPU = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def network_of(widths: list[int], kernels: list[int], classes: int):
    """A chain of convolutions: small, with layers that begin at odd places of the stream."""
    builder = NetworkBuilder()
    node = builder.input(3, 4)
    for width, kernel in zip(widths, kernels, strict=True):
        node = builder.conv(node, width, kernel)
    builder.linear(builder.global_avg_pool(node), classes)
    return builder.network()


def rows_of(networks, initialization):
    """Rows of all layers of all networks but for each network's second, and the buffer's size."""
    rows, offset = [], 0
    for place, network in enumerate(networks):
        first = 0
        for layer, (number, node) in enumerate(network.weighted()):
            out, read, *kernel = node.weight_shape
            taps = prod(kernel)
            scale = np.float32(weight_scale(read * taps, out * taps, initialization))
            if layer != 1:
                row = (place, first, offset, out, read, taps, int(scale.view(np.int32)))
                rows.append((number, row))
                offset += -(-prod(node.weight_shape) // ALIGNMENT) * ALIGNMENT
            first += prod(node.weight_shape) + (out if isinstance(node, Linear) else 0)
    return rows, offset


def seeds_of(architectures):
    lower = (1 << 64) - 1
    states = [
        stream(SEED, "weights", index).bit_generator.state["state"] for index in architectures
    ]
    halves = [
        [s["state"] >> 64, s["state"] & lower, s["inc"] >> 64, s["inc"] & lower] for s in states
    ]
    return np.array(halves, np.uint64)


def check(networks, architectures, initialization, draw_into):
    rows, elements = rows_of(networks, initialization)
    table = np.array([row for _, row in rows], np.int64).reshape(-1, DRAW_FIELDS)
    buffer = draw_into(table, elements).cpu().numpy()
    drawn = [
        draw_weights(network, initialization, stream(SEED, "weights", index)).weight
        for network, index in zip(networks, architectures, strict=True)
    ]
    assert rows
    for number, (place, _, offset, out, read, taps, _) in rows:
        weight = drawn[place][number].reshape(out, read, taps)
        found = buffer[offset : offset + weight.size].reshape(taps, out, read)
        assert np.array_equal(found.view(np.int32), weight.transpose(2, 0, 1).view(np.int32))
    return table, buffer


def on_device(architectures):
    def draw_into(table, elements):
        weights = torch.full((elements,), 7.0, device=CPU)
        seeds = torch.from_numpy(seeds_of(architectures).view(np.int64)).to(CPU)
        draw(torch.from_numpy(table).to(CPU), seeds, weights)
        return weights

    return draw_into


@pytest.mark.parametrize("initialization", ["pytorch", "xavier"])
@examples(max_examples=6)
@example([(5, 3), (7, 1)], 10, 3)
@example([(16, 3), (16, 3)], 1, 15624)
@given(
    st.lists(st.tuples(st.integers(1, 19), st.sampled_from([1, 3, 5])), min_size=1, max_size=3),
    st.integers(1, 20),
    st.integers(0, 2**31),
)
def test_the_device_draws_what_numpy_draws(initialization, layers, classes, index):
    networks = [
        network_of(*map(list, zip(*layers, strict=True)), classes),
        network_of([3, 2], [3, 3], classes),
    ]
    check(networks, [index, 4], initialization, on_device([index, 4]))


def test_layers_of_many_blocks_and_numbers_far_into_a_stream():
    # 8 programs of 256 × 2 numbers begin again after 4096 of a layer; the third begins past 2¹⁶.
    network = network_of([90, 90, 20], [1, 3, 3], 3)
    table, _ = check([network], [0], "pytorch", on_device([0]))
    assert table[1, 1] > 2**16
    assert table[1, 3:6].prod() > 3 * 4096


def test_nothing_is_written_between_layers():
    network = network_of([5], [3], 3)
    table, buffer = check([network], [1], "pytorch", on_device([1]))
    used = np.zeros(len(buffer), bool)
    for _, _, offset, *shape, _ in table.tolist():
        used[offset : offset + prod(shape)] = True
    assert not used.all()
    assert (buffer[~used] == 7.0).all()


def test_steps_of_the_table_lead_to_the_state_that_numpy_reaches():
    table = jump_table().astype(object)
    generator = np.random.PCG64(3)
    before = generator.state["state"]
    for level, digit in ((0, 0), (0, 255), (1, 8), (2, 3), (4, 200)):
        upper, lower, more_upper, more_lower = table[:, level, digit]
        factor, total = (upper << 64) + lower, (more_upper << 64) + more_lower
        reached = (factor * before["state"] + total * before["inc"]) % 2**128
        moved = np.random.PCG64(3)
        moved.advance(digit << (8 * level))
        assert reached == moved.state["state"]["state"]


@pytest.mark.parametrize("initialization", ["pytorch", "xavier", "kaiming", "normal"])
def test_the_host_draws_what_numpy_draws(initialization):
    networks = [network_of([5, 4, 6], [3, 3, 1], 7), network_of([16, 2], [1, 3], 3)]

    def draw_into(table, elements):
        return host_weights(table, [9, 2], SEED, initialization, elements, CPU)

    check(networks, [9, 2], initialization, draw_into)


def test_errors_of_drawing_threads_are_not_lost():
    row = np.array([[0, 0, 0, 2, 2, 1, 0]])
    with pytest.raises(ValueError, match="non-negative"):
        host_weights(row, [-1], SEED, "normal", 32, torch.device("cpu"))
