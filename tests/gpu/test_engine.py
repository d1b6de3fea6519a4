"""The GPU engine as a whole, its kernels interpreted on the CPU."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from trainfree.randomness import stream
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.gpu_engine import engine as engine_module
from trainfree.scoring.gpu_engine.engine import GroupEngine
from trainfree.scoring.gpu_engine.grouping import Request, plan_groups
from trainfree.scoring.quantities import patterns
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Relu

pytestmark = pytest.mark.usefixtures("few_programs")
SIZE, CLASSES, SEED = 8, 10, 3
ALL = frozenset({"kernels", "flow", "patterns"})
SPACES = {
    "nasbench201_mini": ([0, 77, 728], 6),
    "nasbench201": ([7_777, 15_624], 2),
    "nasbench101": ([200_000], 1),
}
"""Architectures of each space, and how many images."""
MINI = [728, 3]


def batch_of(images: int, size: int = SIZE) -> torch.Tensor:
    noise = np.random.default_rng(11).standard_normal((images, 3, size, size), np.float32)
    return torch.from_numpy(noise).contiguous(memory_format=torch.channels_last)


def request_of(images: int, **changes: Any) -> Request:
    request = Request(
        space="nasbench201_mini",
        files=(),
        image_size=SIZE,
        classes=CLASSES,
        images=images,
        seed=SEED,
        initialization="pytorch",
        wanted=ALL,
        budget=2**31,
        largest=128,
    )
    return replace(request, **changes)


def results_of(request: Request, architectures, precision="float32"):
    engine = GroupEngine(batch_of(request.images), request, precision)
    return list(engine.results(plan_groups(request, architectures)))


class Reference:
    """The same quantities by the plain passes in float64."""

    def __init__(self, request: Request, arch: int) -> None:
        self.network = build_network(load_space(request.space), arch, SIZE, CLASSES)
        drawn = draw_weights(
            self.network, request.initialization, stream(request.seed, "weights", arch)
        )
        self.drawn = drawn
        self.weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
        self.bias = {n: torch.from_numpy(w).double() for n, w in drawn.bias.items()}
        self.batch = batch_of(request.images).double()

    @property
    def kernels(self):
        return relu_kernels(self.network, self.weights, self.batch, PhaseClock(), compiled=False)

    @property
    def forward(self):
        return record(self.network, Parameters(self.weights, self.bias), self.batch)

    def near_zero(self, closer_than: float) -> np.ndarray:
        """Count, for each image, units whose code is decided by the last digits, official count."""
        values, counts = self.forward.values, np.zeros(len(self.batch))
        for node in self.network.nodes:
            if isinstance(node, Relu):
                close = (values[node.source].abs() < closer_than) & (values[node.source] != 0)
                counts += 2 * node.modules * close.flatten(1).sum(1).numpy()
        return counts


@pytest.mark.parametrize("space", SPACES)
def test_kernels_are_those_of_the_float64_pass(space):
    archs, images = SPACES[space]
    request = request_of(images, space=space, wanted=frozenset({"kernels"}))
    exact = 0
    for result in results_of(request, archs):
        reference = Reference(request, result.architecture)
        close = reference.near_zero(1e-5)
        expected, kernels = reference.kernels, result.kernels
        for found, true in (
            (kernels.per_module, expected.per_module),
            (kernels.official, expected.official),
        ):
            assert found.dtype == np.float64
            assert (np.abs(found - true) <= close[:, None] + close[None, :]).all()
        exact += not close.any()
        network = reference.network
        assert (result.params, result.flops, result.relu_units) == (
            *(network.params, network.flops),
            network.relu_units,
        )
        assert result.log_flow is None
        assert result.patterns is None
    assert exact or space == "nasbench101", "no cell whose activations all are away from zero"


def test_flow_and_patterns_are_those_of_the_plain_passes():
    for result in results_of(request_of(5), MINI):
        reference = Reference(request_of(5), result.architecture)
        flow = log_synaptic_flow(reference.network, reference.drawn.weight)
        assert result.log_flow == pytest.approx(flow, abs=1e-9)
        if not reference.near_zero(1e-4).any():
            assert result.patterns == patterns.distinct_unit_patterns(reference.forward)


def test_a_flow_that_float64_does_not_hold_is_left_to_the_cpu(monkeypatch):
    monkeypatch.setattr(engine_module, "_LARGEST_FLOW", 1e-3)
    unconnected, connected = results_of(request_of(1, wanted=frozenset({"flow"})), [0, 728])
    assert unconnected.log_flow == -np.inf
    assert connected.log_flow is None


@pytest.mark.parametrize(("largest", "initialization"), [(1, "pytorch"), (1, "normal")])
def test_the_group_changes_no_bit(largest, initialization):
    archs = MINI
    request = request_of(2, initialization=initialization)
    together = results_of(request, archs, "tf32x3")
    apart = results_of(replace(request, largest=largest), archs, "tf32x3")
    assert [result.architecture for result in apart] == archs
    for one, other in zip(together, apart, strict=True):
        assert np.array_equal(one.kernels.official, other.kernels.official)
        assert one.log_flow == other.log_flow
        assert one.patterns == other.patterns


def test_a_group_that_does_not_fit_is_halved(monkeypatch, caplog):
    archs = MINI
    request = request_of(1, wanted=frozenset({"kernels"}))
    expected = results_of(request, archs)
    execute, sizes = engine_module.execute, []

    def too_large(plan, *rest):
        sizes.append(len(plan.architectures))
        if len(plan.architectures) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return execute(plan, *rest)

    monkeypatch.setattr(engine_module, "execute", too_large)
    with caplog.at_level(logging.WARNING):
        found = results_of(request, archs)
    assert sizes == [2, 1, 1]
    assert "halved" in caplog.text
    for one, other in zip(expected, found, strict=True):
        assert one.architecture == other.architecture
        assert np.array_equal(one.kernels.official, other.kernels.official)


def test_what_does_not_fit_alone_says_so(monkeypatch):
    def never(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(engine_module, "execute", never)
    found = results_of(request_of(2), [5, 6, 7])
    assert [result.architecture for result in found] == [5, 6, 7]
    assert all("out of memory" in result.memory_error for result in found)
    assert all(result.kernels is None for result in found)


def test_seconds_are_shared_by_work():
    results = results_of(request_of(2), [0, 728])
    for result in results:
        assert set(result.seconds) >= {"build", "forward", "kernel", "flow"}
        assert all(spent >= 0 for spent in result.seconds.values())
    assert results[1].seconds["forward"] > results[0].seconds["forward"]
