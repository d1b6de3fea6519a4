"""NAS-Bench-101 cells in the engine against plain modules, hooks and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from nasbench101_fixtures import C1, C3, MP
from nasbench101_modules import GraphNetwork, convolutions_in_order

from trainfree.randomness import stream
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.constant_image import reduced_sizes
from trainfree.scoring.cpu_engine.executors import can_compile
from trainfree.scoring.cpu_engine.plan import ConcatStep, MapStep, PoolStep, TruncateStep, make_plan
from trainfree.scoring.quantities import synflow
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.network import NetworkBuilder, Relu

# Divided by 2, 3 or 4 feeding vertices, 7 channels leave something over.
UNEVEN = GraphCellSpace("uneven", stem_channels=7, modules_per_stack=1)
WIDE = GraphCellSpace("wide", stem_channels=16, modules_per_stack=2)
CELLS = {
    "projection": "output~0",
    "inception": f"{C3}~0+{C1}~0+{MP}~0+{C3}~0+{C3}~4+output~1~2~3~5",
    "four summands": f"{C3}~0+{MP}~0+{C1}~0+{C3}~0+{C1}~1~2~3~4+output~5",
    "pools of sums": f"{C3}~0+{MP}~0~1+{C1}~1+{MP}~1~2+output~0~3~4",
    "cut channels": f"{C3}~0+{C1}~1+{C1}~1+output~2~3",
    "only pools": f"{MP}~0+{MP}~1+{MP}~2+output~2~3",
    "four feed": f"{C3}~0+{C1}~0+{MP}~0+{MP}~3+output~1~2~3~4",
}
INDICES = [UNEVEN.parse(text) for text in CELLS.values()] + [
    int(index) for index in np.random.default_rng(7).integers(len(UNEVEN), size=10)
]
pytestmark = pytest.mark.usefixtures("one_thread")


def twins(space: GraphCellSpace, index: int, size: int, classes: int = 5):
    """The package's network and weights, and the reference module with the same weights."""
    network = build_network(space, index, size, classes)
    drawn = draw_weights(network, "pytorch", stream(5, "weights", index))
    spec = space.specification(index)
    module = GraphNetwork(spec, space.stem_channels, space.modules_per_stack, classes).double()
    weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
    with torch.no_grad():
        layers = convolutions_in_order(module)
        for layer, (number, _) in zip(layers, network.weighted(), strict=True):
            layer.weight.copy_(weights[number])
    return network, weights, module


def batch_of(images: int, size: int) -> torch.Tensor:
    pixels = np.random.default_rng(1).standard_normal((images, 3, size, size))
    return torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("space", [UNEVEN, WIDE], ids=["7 channels", "16 channels"])
@pytest.mark.parametrize("index", INDICES)
def test_kernels_equal_hooked_modules_entry_for_entry_in_float64(index, space):
    network, weights, module = twins(space, index, 8)
    batch = batch_of(6, 8)
    kernels = relu_kernels(network, weights, batch, PhaseClock())
    expected = reference.relu_kernel(module, batch, official=False)
    np.testing.assert_array_equal(kernels.per_module, expected)
    # No module around the ReLU is named after it, so the published code counts each once.
    np.testing.assert_array_equal(
        kernels.official, reference.relu_kernel(module, batch, official=True)
    )
    np.testing.assert_array_equal(kernels.official, expected)


@pytest.mark.parametrize("index", INDICES)
def test_synaptic_flow_equals_the_backward_computation(index):
    network, weights, module = twins(UNEVEN, index, 16)
    arrays = {number: weight.float().numpy() for number, weight in weights.items()}
    ours = synflow.log_synaptic_flow(network, arrays)
    assert abs(ours - reference.log_synaptic_flow(module, 16)) < 1e-9


@pytest.mark.parametrize("size", [32, 12])
@pytest.mark.parametrize("index", INDICES)
def test_reduced_maps_give_the_flow_of_full_maps(index, size, monkeypatch):
    network, weights, _ = twins(UNEVEN, index, size)
    arrays = {number: weight.numpy() for number, weight in weights.items()}
    assert reduced_sizes(network)[0] < size
    reduced = synflow.log_synaptic_flow(network, arrays)
    monkeypatch.setattr(
        synflow,
        "reduced_sizes",
        lambda full: [shape[1] if len(shape) == 3 else 0 for shape in full.shapes],
    )
    assert reduced == pytest.approx(synflow.log_synaptic_flow(network, arrays), abs=1e-10)


@pytest.mark.parametrize("name", ["inception", "pools of sums", "four feed"])
def test_synaptic_flow_joins_branches_of_very_different_size(name):
    network, weights, module = twins(UNEVEN, UNEVEN.parse(CELLS[name]), 8)
    _, (scaled, _), *_ = network.weighted()
    weights[scaled] *= 2.0**300
    with torch.no_grad():
        convolutions_in_order(module)[1].weight.mul_(2.0**300)
    arrays = {number: weight.numpy() for number, weight in weights.items()}
    ours = synflow.log_synaptic_flow(network, arrays)
    assert abs(ours - reference.log_synaptic_flow(module, 8)) < 1e-9


@pytest.mark.parametrize("index", INDICES)
def test_the_plan_counts_every_relu_and_reads_only_what_is_there(index):
    network = build_network(UNEVEN, index, 8, 5)
    plan = make_plan(network)
    relus = [node for node in network.nodes if isinstance(node, Relu)]
    maps = [step for step in plan.steps if isinstance(step, MapStep)]
    assert sum(step.once for step in maps) == len(relus)
    assert sum(step.official for step in maps) == len(relus)
    held = {0}
    for step, dropped in plan:
        assert step.reads <= held
        if not isinstance(step, MapStep) or step.keep:
            held.add(step.number)
        held -= dropped
    assert not held
    assert not can_compile(plan)


def test_plans_hold_what_the_cell_is_made_of():
    plan = make_plan(build_network(UNEVEN, UNEVEN.parse(CELLS["cut channels"]), 8, 5))
    cuts = [step for step in plan.steps if isinstance(step, TruncateStep)]
    assert [(step.node.channels, step.relu) for step in cuts] == [(3, True)]
    plan = make_plan(build_network(UNEVEN, UNEVEN.parse(CELLS["four summands"]), 8, 5))
    widest = max(len(step.terms) for step in plan.steps if isinstance(step, MapStep))
    assert widest == 4
    plan = make_plan(build_network(UNEVEN, UNEVEN.parse(CELLS["four feed"]), 8, 5))
    joined = [step for step in plan.steps if isinstance(step, ConcatStep)]
    assert [term.relu for term in joined[0].terms].count(True) == 2
    assert {step.relu for step in plan.steps if isinstance(step, PoolStep)} == {True, False}


def test_a_node_that_cannot_stand_before_a_relu_is_refused():
    builder = NetworkBuilder()
    x = builder.relu(builder.global_avg_pool(builder.input(3, 4)), modules=1, wrapped=False)
    builder.linear(x, 2)
    with pytest.raises(TypeError, match="GlobalAvgPool before a ReLU"):
        make_plan(builder.network())


def test_plans_of_the_other_space_are_compiled():
    space = load_space("nasbench201")
    for index in (0, 7812, len(space) - 1):
        assert can_compile(make_plan(build_network(space, index, 32, 10)))
