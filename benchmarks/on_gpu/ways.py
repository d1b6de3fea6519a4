"""The ways of scoring that the GPU benchmark compares: one architecture after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import reference
import torch
from torch import Tensor
from torch.nn import functional as F

from on_gpu.cases import INITIALIZATION, SEED, Case
from trainfree.proxies import load_proxy
from trainfree.proxies.registry import Proxy, UndefinedScoreError
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.plan import ConvStep, make_plan
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.space import CellSpace

T = TypeVar("T")


def wait(device: torch.device) -> None:
    """Wait until a device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Return the seconds of some work, the device's included, and its result."""
    wait(device)
    start = time.perf_counter()
    result = work()
    wait(device)
    return time.perf_counter() - start, result


@contextmanager
def torch_set(exact: bool) -> Iterator[None]:
    """Set torch as the suite does (``exact``), or as it is by itself."""
    deterministic = torch.get_deterministic_debug_mode()
    before = torch.backends.cudnn.allow_tf32
    torch.set_deterministic_debug_mode("warn" if exact else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(deterministic)
        torch.backends.cudnn.allow_tf32 = before


class OneByOne:
    """The suite's own way with torch operations: what a GPU does where groups are not known."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self._case, self._device = case, device
        self._batch, self._labels = case.batch(device), case.labels(device)

    def backend(self, arch: int, clock: PhaseClock) -> EngineBackend:
        """Return what computes the quantities of an architecture."""
        case = self._case
        return EngineBackend(
            build=lambda: case.network(arch),
            draw=lambda network: case.weights(network, arch),
            batch=self._batch,
            clock=clock,
            labels=self._labels,
            initialization=INITIALIZATION,
            stream=lambda purpose: stream(SEED, purpose, arch),
        )

    def candidate(self, arch: int, waits: bool = True) -> CheckedCandidate:
        """Return what proxies ask; ``waits`` for the device wherever seconds are read."""
        clock = PhaseClock(lambda: wait(self._device)) if waits else PhaseClock()
        return CheckedCandidate(self.backend(arch, clock))

    def scores(self, arch: int, proxies: Sequence[Proxy]) -> dict[str, tuple[float, float]]:
        """Return score and seconds, alone, of each proxy."""
        with torch_set(exact=True):
            candidate = self.candidate(arch)
            return {proxy.name: score_of(candidate, proxy) for proxy in proxies}


def score_of(candidate: CheckedCandidate, proxy: Proxy) -> tuple[float, float]:
    """Return a proxy's score and its seconds; an undefined score is what the error says."""
    try:
        score, seconds = candidate.score(proxy)
    except UndefinedScoreError as error:
        return float(error.score), float("nan")
    return float(score), seconds  # type: ignore[arg-type]


def loaded(names: Sequence[str]) -> list[Proxy]:
    return [load_proxy(name) for name in names]


def published_score(case: Case, batch: Tensor, arch: int) -> float:
    """Return NASWOT's score in the published way: modules, hooks, three passes, K on the host.

    Torch is left as it is by itself, with TF32 in convolutions.
    """
    with torch_set(exact=False):
        module = published_module(case, arch).to(batch.device)
        return log_abs_determinant(reference.published_kernel(module, batch.contiguous()))


def published_module(case: Case, arch: int) -> reference.TinyNetwork:
    """Build the reference with the suite's weights."""
    space = load_space(case.space)
    assert isinstance(space, CellSpace)
    network = case.network(arch)
    drawn = case.weights(network, arch).weight
    module = reference.TinyNetwork(
        space.operation_names(arch), space.stem_channels, space.cells_per_stage, case.classes
    )
    with torch.no_grad():
        layers = reference.weighted_in_order(module)
        for layer, (number, _) in zip(layers, network.weighted(), strict=True):
            layer.weight.copy_(torch.from_numpy(drawn[number]))
    return module


def convolution_seconds(case: Case, arch: int, device: torch.device, tf32: bool) -> float:
    """Return the seconds of an architecture's convolutions called alone, same shapes and layout.

    On a GPU they are replayed as one CUDA graph, so that no launch is waited for.
    """
    with torch_set(exact=not tf32), torch.inference_mode():
        calls = _convolutions(case, arch, device)

        def run() -> None:
            for x, weight, stride, padding in calls:
                F.conv2d(x, weight, stride=stride, padding=padding)

        run()
        if device.type != "cuda":
            return timed(run, device)[0]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            run()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        graph.replay()
        return min(timed(graph.replay, device)[0] for _ in range(3))


def _convolutions(
    case: Case, arch: int, device: torch.device
) -> list[tuple[Tensor, Tensor, int, int]]:
    network = case.network(arch)
    drawn = case.weights(network, arch).weight
    maps: dict[tuple[int, ...], Tensor] = {}
    calls = []
    for step in make_plan(network).steps:
        if isinstance(step, ConvStep):
            shape = (case.images, *network.shapes[step.source])
            if shape not in maps:
                empty = torch.empty(shape, device=device, memory_format=torch.channels_last)
                maps[shape] = empty.uniform_()
            weight = torch.from_numpy(drawn[step.number]).to(device)
            weight = weight.contiguous(memory_format=torch.channels_last)
            calls.append((maps[shape], weight, step.node.stride, step.node.padding))
    return calls
