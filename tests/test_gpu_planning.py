"""Plans of groups for a GPU, carried out in NumPy, against the engine for one architecture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
import torch
from gpu_plan_numpy import Group
from hypothesis import given, settings
from hypothesis import strategies as st
from nasbench101_fixtures import C1, C3, MP

from trainfree.errors import ImageError, UnknownNameError
from trainfree.processes import Process
from trainfree.randomness import stream
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.gpu_engine.architecture_plan import ArchitecturePlanner
from trainfree.scoring.gpu_engine.blocks.arena import FOREVER, aligned, first_fit
from trainfree.scoring.gpu_engine.grouping import Request, can_group, group_of, plan_groups
from trainfree.scoring.gpu_engine.planners import planned
from trainfree.scoring.gpu_kernels.launches import Kind
from trainfree.scoring.quantities.patterns import distinct_unit_patterns
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.nasbench101.skeleton import build_network as build_graph_network
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201.skeleton import build_network as build_cell_network
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.network import NetworkBuilder
from trainfree.spaces.transnas101.micro import skeleton as micro_skeleton

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = frozenset({"kernels", "flow", "patterns"})
SIZE, IMAGES, CLASSES, SEED = 8, 3, 5, 3
CELLS = CellSpace("cells", stem_channels=4, cells_per_stage=2)
# Divided by 2, 3 or 4 feeding vertices, 7 channels leave something over.
GRAPHS = GraphCellSpace("graphs", stem_channels=7, modules_per_stack=1)


def request(**changes):
    known = Request(
        *("nasbench201_mini", (), SIZE, CLASSES, IMAGES, SEED, "pytorch", ALL, 1 << 40, 128)
    )
    return replace(known, **changes)


def batch(images=IMAGES, size=SIZE):
    return np.random.default_rng(5).standard_normal((images, size, size, 3)).astype(np.float32)


def group(networks, wanted=ALL, images=IMAGES, initialization="pytorch"):
    """Plan networks, by index, as one group."""
    planner = ArchitecturePlanner(images, initialization, wanted)
    asked = request(wanted=wanted, images=images, initialization=initialization)
    return group_of(asked, list(networks), [planner.plan(n) for n in networks.values()])


def assert_as_the_engine(networks, images=None, plan=None):
    """Hold what a group gives to what the CPU's engine gives, architecture by architecture."""
    images = batch() if images is None else images
    plan = plan or group(networks, images=len(images))
    done = Group(plan, images, SEED)
    once, official = done.kernels()
    nchw = torch.from_numpy(images).double().permute(0, 3, 1, 2)
    for place, (index, network) in enumerate(networks.items()):
        drawn = draw_weights(network, "pytorch", stream(SEED, "weights", index))
        weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
        biases = {n: torch.from_numpy(w).double() for n, w in drawn.bias.items()}
        kernels = relu_kernels(network, weights, nchw, PhaseClock(), compiled=False)
        np.testing.assert_array_equal(once[place], kernels.per_module)
        np.testing.assert_array_equal(official[place], kernels.official)
        flow = done.results[place]
        assert (log(flow) if flow > 0 else -inf) == pytest.approx(
            log_synaptic_flow(network, drawn.weight), abs=1e-9
        )
        forward = record(network, Parameters(weights, biases), nchw)
        assert done.distinct(place) == distinct_unit_patterns(forward)
        for name in ("params", "flops", "relu_units"):
            assert getattr(plan.counted, name)[place] == getattr(network, name), name
    return plan


def cells(*indices):
    return {index: build_cell_network(CELLS, index, SIZE, CLASSES) for index in indices}


def graphs(*texts):
    return {GRAPHS.parse(text): graph(GRAPHS.parse(text)) for text in texts}


def graph(index):
    return build_graph_network(GRAPHS, index, SIZE, CLASSES)


@settings(max_examples=8)
@given(st.lists(st.integers(0, 15624), min_size=1, max_size=3, unique=True))
def test_groups_of_nasbench201_cells_give_what_the_engine_gives(indices):
    assert_as_the_engine(cells(*indices))


@pytest.mark.parametrize(
    "cell",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|skip_connect~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|",
        "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|avg_pool_3x3~2|",
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|none~2|",
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    ],
)
def test_unusual_cells(cell):
    assert_as_the_engine(cells(CELLS.parse(cell)))


@settings(max_examples=8)
@given(st.lists(st.integers(0, len(GRAPHS) - 1), min_size=1, max_size=2, unique=True))
def test_groups_of_nasbench101_cells_give_what_the_engine_gives(indices):
    assert_as_the_engine({index: graph(index) for index in indices})


def test_graphs_that_cut_and_join_channels():
    assert_as_the_engine(
        graphs(
            "output~0",
            f"{C3}~0+{C1}~0+{MP}~0+{C3}~0+{C3}~4+output~1~2~3~5",
            f"{C3}~0+{MP}~0~1+{C1}~1+{MP}~1~2+output~0~3~4",
            f"{C3}~0+{C1}~1+{C1}~1+output~2~3",
            f"{MP}~0+{MP}~1+{MP}~2+output~2~3",
        )
    )


def test_cells_that_reduce_by_maps_moved_by_a_pixel(monkeypatch):
    monkeypatch.setattr(micro_skeleton, "STEM", 2)
    micro = load_space("transnas101_micro")
    chosen = map(micro.parse, ("64-41414-1_13_120", "64-41414-0_12_013"))
    images = batch(2, 12)
    networks = {index: build_network(micro, index, 12, CLASSES) for index in chosen}
    plan = group_of(
        request(image_size=12, images=2),
        list(networks),
        [ArchitecturePlanner(2, "pytorch", ALL).plan(network) for network in networks.values()],
    )
    assert_as_the_engine(networks, images, plan)


@pytest.mark.parametrize("images", [1, 33])
def test_batches_of_one_image_and_of_more_than_a_word(images):
    assert_as_the_engine(cells(9000, 777), batch(images))


def odd_network(blocks=()):
    """Whatever a file of others may describe and the suite's spaces do not."""
    b = NetworkBuilder()
    image = b.input(3, SIZE)
    x = b.relu(b.batch_norm(image), 1, False)  # of the images
    stem = b.conv(x, 6, 3)
    ends = [stem]  # a convolution that is normalised in the next block
    y = b.batch_norm(stem)
    z = b.batch_norm(b.relu(y, 2, True))  # of a positive part
    pooled = b.relu(b.max_pool(b.relu(y, 1, True), 3, 2, 1), 1, False)
    again = b.batch_norm(b.avg_pool(z, 3, 2, 1))
    ends.append(b.relu(b.add([pooled, again, again]), 1, True))  # ends in a ReLU
    joined = b.concat([b.truncate(ends[-1], 4), b.relu(again, 1, False), pooled])
    dead = b.relu(b.zeros_like(joined), 3, True)
    ends.append(b.batch_norm(b.conv(b.add([joined, dead]), 5, 5)))
    far = b.conv(b.relu(b.avg_pool(image, 2, 2, 0), 1, False), 5, 1)  # reads far back
    small = b.avg_pool(b.add([ends[-1], far, b.truncate(stem, 5)][:2]), 4, 4, 0)
    flat = b.avg_pool(small, 3, 1, 1)  # one pixel: pooled apart
    last = b.relu(b.batch_norm(b.add([flat, b.avg_pool(small, 1, 1, 0)])), 1, False)
    b.linear(b.global_avg_pool(last), CLASSES)
    b.blocks = [ends[place] for place in blocks]
    return b.network()


@pytest.mark.parametrize("blocks", [(), (0,), (1,), (2, 1), (0, 0, 1, 2)])
def test_networks_of_others_with_any_marks_of_blocks(blocks):
    assert_as_the_engine({4: odd_network(blocks)})


def test_a_linear_layer_alone_in_its_block():
    b = NetworkBuilder()
    x = b.end_block(b.relu(b.batch_norm(b.conv(b.input(3, SIZE), 4, 3)), 1, False))
    mean = b.end_block(b.global_avg_pool(x))
    b.linear(mean, CLASSES)
    assert_as_the_engine({1: b.network()})


def wide_sum(terms):
    b = NetworkBuilder()
    image = b.input(3, SIZE)
    x = b.relu(b.add([b.conv(image, 4, 1) for _ in range(terms)]), 1, False)
    b.linear(b.global_avg_pool(x), CLASSES)
    return b.network()


def two_linear():
    b = NetworkBuilder()
    x = b.relu(b.conv(b.input(3, SIZE), 4, 3), 1, False)
    b.linear(b.relu(b.linear(b.global_avg_pool(x), 6), 1, False), CLASSES)
    return b.network()


def test_what_can_be_in_a_group():
    assert can_group(odd_network())
    assert can_group(wide_sum(8))
    assert not can_group(wide_sum(9))
    assert not can_group(two_linear())
    large = build_cell_network(CellSpace("large"), 15624, 32, 10)
    assert can_group(large, 128)
    assert not can_group(large, 1 << 18)  # 2³² elements a map


def test_architectures_the_engine_does_not_know_are_left_out(monkeypatch):
    def built(space, index, size, classes):
        return two_linear() if index == 1 else wide_sum(2)

    monkeypatch.setattr("trainfree.scoring.gpu_engine.grouping.build_network", built)
    (plan,) = plan_groups(request(), [0, 1, 2])
    assert plan.architectures.tolist() == [0, 2]
    assert plan_groups(request(), [1]) == []


PLACED = {Kind.MULTIPLY: 2, Kind.FLOW_HEAD: 2}
"""Field with the place of the architecture, by kind."""


def own_rows(plan, part, place):
    """Rows of an architecture that name its place in the group, with their launches, in order."""
    for launch in getattr(plan, part):
        field = PLACED.get(launch.kind)
        if field is not None:
            rows = np.delete(launch.table[launch.table[:, field] == place], field, axis=1)
            if len(rows):
                yield launch.kind, launch.geometry, rows


@settings(max_examples=8)
@given(st.lists(st.integers(0, 15624), min_size=2, max_size=5, unique=True), st.integers(0, 4))
def test_an_architecture_has_the_same_rows_in_any_group(indices, chosen):
    chosen %= len(indices)
    networks = cells(*indices)
    alone, together = group({indices[chosen]: networks[indices[chosen]]}), group(networks)
    for part in ("forward", "flow"):
        pairs = zip(own_rows(alone, part, 0), own_rows(together, part, chosen), strict=True)
        shifts = set()
        for (kind, geometry, first), (other_kind, other_geometry, second) in pairs:
            assert (kind, geometry) == (other_kind, other_geometry)
            moved = second - first
            assert not moved[:, 2:].any()
            shifts.update(map(tuple, moved[:, : 1 + (kind is Kind.FLOW_HEAD)].tolist()))
        assert len(shifts) == 1  # by where its part of a buffer begins
    np.testing.assert_array_equal(
        Group(alone, batch(), SEED).sums[:, 0], Group(together, batch(), SEED).sums[:, chosen]
    )


@settings(max_examples=8)
@given(st.lists(st.integers(0, 728), min_size=1, max_size=8), st.integers(1, 4))
def test_groups_of_any_size_hold_the_same_results(indices, largest):
    whole = plan_groups(request(), indices)
    parts = plan_groups(request(largest=largest), indices)
    assert [len(plan.architectures) for plan in whole] == [len(indices)]
    assert all(len(plan.architectures) <= largest for plan in parts)
    joined = np.concatenate([plan.architectures for plan in parts])
    np.testing.assert_array_equal(joined, indices)
    (done,) = (Group(plan, batch(), SEED) for plan in whole)
    pieces = [Group(plan, batch(), SEED) for plan in parts]
    np.testing.assert_array_equal(done.sums, np.concatenate([p.sums for p in pieces], axis=1))
    np.testing.assert_array_equal(done.results, np.concatenate([p.results for p in pieces]))


def bytes_in(plan):
    """Bytes that a group's buffers and tables take at once."""
    forward = 4 * plan.map_elements + plan.code_elements
    tables = sum(launch.table.nbytes for launch in (*plan.forward, *plan.flow))
    sums = 8 * len(plan.architectures) * IMAGES**2
    rest = 4 * (plan.weight_elements + plan.pattern_elements)
    return max(forward, 8 * plan.flow_elements) + rest + tables + sums


def test_groups_fit_their_budget():
    indices = list(range(0, 728, 40))
    (whole,) = plan_groups(request(), indices)
    budget = bytes_in(whole) // 3
    parts = plan_groups(request(budget=budget), indices)
    assert 3 <= len(parts) <= 6
    assert all(bytes_in(plan) <= budget for plan in parts)
    # What does not fit alone is still a group.
    alone = plan_groups(request(budget=1), indices[:3])
    assert [plan.architectures.tolist() for plan in alone] == [[i] for i in indices[:3]]


def test_only_what_is_wanted_is_planned():
    networks = cells(12000)
    kernels = group(networks, frozenset({"kernels"}))
    assert kernels.flow == ()
    assert kernels.flow_elements == kernels.pattern_elements == 0
    assert not any(launch.kind is Kind.PACK for launch in kernels.forward)
    flow = group(networks, frozenset({"flow"}))
    assert flow.forward == ()
    assert flow.map_elements == flow.code_elements == 0
    assert {row[2] for row in flow.draws.tolist()} <= set(range(0, flow.weight_elements, 32))


@pytest.mark.parametrize("initialization", ["xavier", "kaiming", "normal"])
def test_draws_tell_the_scale_of_each_layer(initialization):
    networks = cells(4242)
    (index, network), *_ = networks.items()
    plan = group(networks, initialization=initialization)
    drawn = draw_weights(network, initialization, stream(SEED, "weights", index))
    rng = stream(SEED, "weights", index)
    total = sum(w.size for part in (drawn.weight, drawn.bias) for w in part.values())
    uniform = initialization == "xavier"
    numbers = rng.random(total, np.float32) if uniform else rng.standard_normal(total, np.float32)
    by_size = {}
    for _, first, _, out, inside, taps, bits in plan.draws.tolist():
        values = numbers[first : first + out * inside * taps]
        values = values * 2 - 1 if uniform else values
        scale = np.array(bits).astype(np.int32).view(np.float32)
        by_size[first] = (values * scale).reshape(out, inside, taps)
    found = [by_size[first] for first in sorted(by_size)]
    expected = [drawn.weight[n] for n in sorted(drawn.weight)]
    expected = [w.reshape(*w.shape[:2], -1) for w in expected]
    matched = [any(w.shape == f.shape and (w == f).all() for w in expected) for f in found]
    assert all(matched)
    assert len(found) >= 10


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 12), st.integers(0, 6)), max_size=20),
    st.lists(st.tuples(st.integers(1, 100), st.integers(-1, 12)), max_size=3),
)
def test_buffers_that_live_at_one_moment_do_not_overlap(wanted, there):
    lifetimes = [(size, first, first + more) for size, first, more in wanted]
    occupied, end = [], 0
    for size, last in there:
        occupied.append((end, aligned(size), last))
        end += aligned(size) + 32
    offsets, top = first_fit(lifetimes, occupied)
    placed = [(offset, size, -1, last) for offset, size, last in occupied]
    placed += [
        (offset, size, first, last)
        for offset, (size, first, last) in zip(offsets, lifetimes, strict=True)
    ]
    for place, (offset, size, first, last) in enumerate(placed):
        assert offset % 32 == 0
        assert offset + size <= top
        for other, elements, begin, close in placed[:place]:
            together = first <= close and begin <= last
            assert not together or offset + size <= other or other + elements <= offset


def test_memory_is_used_again():
    lifetimes = [(64, moment, moment + 1) for moment in range(100)]
    assert first_fit(lifetimes) == ([0, 64] * 50, 128)
    assert first_fit([(32, 5, 6)], [(0, 32, 4)]) == ([0], 32)
    assert first_fit([(32, 5, 6)], [(0, 32, FOREVER)]) == ([32], 64)


def test_plans_made_ahead_are_those_made_here():
    indices = list(range(0, 700, 70))
    asked = request(largest=3)
    here, ahead = (list(planned(asked, indices, processes)) for processes in (0, 2))
    for first, second in zip(here, ahead, strict=True):
        np.testing.assert_array_equal(first.architectures, second.architectures)
        for one, other in zip(first.forward, second.forward, strict=True):
            assert (one.kind, one.geometry) == (other.kind, other.geometry)
            np.testing.assert_array_equal(one.table, other.table)


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"image_size": 10}, ImageError), ({"space": "nasbench20"}, UnknownNameError)],
)
def test_errors_of_planning_processes_reach_the_caller(changes, error):
    asked = request(largest=2, **changes)
    with pytest.raises(error) as here:
        list(planned(asked, range(6), 0))
    with pytest.raises(error) as ahead:
        list(planned(asked, range(6), 1))
    assert str(ahead.value) == str(here.value)


_PLANS_FOREVER = """
import itertools, multiprocessing
from trainfree.scoring.gpu_engine.grouping import Request
from trainfree.scoring.gpu_engine.planners import planned
if __name__ == "__main__":
    asked = Request("nasbench201_mini", (), 8, 5, 3, 0, "pytorch", frozenset({"kernels"}), 1, 2)
    plans = planned(asked, list(range(700)), 1)
    next(plans)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    import time; time.sleep(600)
"""


def test_planning_processes_end_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "plans.py"
    script.write_text(_PLANS_FOREVER)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    try:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        os.kill(parent.pid, signal.SIGKILL)
    finally:
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 30
    while any(Process(pid).is_alive() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Process(pid).is_alive() for pid in pids)


def test_planning_needs_neither_torch_nor_triton():
    code = (
        "import sys, trainfree.scoring.gpu_engine.planners\n"
        "assert not {'torch', 'triton', 'numba', 'xarray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
