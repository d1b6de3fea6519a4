"""Groups of architectures on a GPU, one after the other, the next one queued in good time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
import torch
from torch import Tensor

from trainfree.scoring.clock import GroupClock, shared_seconds
from trainfree.scoring.gpu_engine.executor import Outputs, execute
from trainfree.scoring.gpu_engine.grouping import Request, plan_groups
from trainfree.scoring.gpu_engine.host_weights import host_weights
from trainfree.scoring.gpu_kernels.launches import Geometry, GroupPlan, Kind, Launch
from trainfree.scoring.quantities.patterns import distinct_words
from trainfree.scoring.quantities.relu_kernel import ReluKernels, kernel_of
from trainfree.scoring.settings.precision import Precision
from trainfree.spaces import build_network, load_space

logger = logging.getLogger(__name__)

DRAWN_ON_DEVICE = ("pytorch", "xavier")
"""Uniform initialisations; normal numbers are drawn on the host."""
_SMALLEST_FLOW, _LARGEST_FLOW = 1e-280, 1e280
"""Within these nothing on the way to a sum was too large or too small for float64."""
_BITS = 32


@dataclass(frozen=True)
class ArchitectureResult:
    """What the engine found of one architecture; None is what was not wanted.

    Attributes
    ----------
    kernels
        K in both ways of counting.
    log_flow
        ln Σ |θ ⊙ ∂R/∂θ|, −inf where the images do not reach the output; None, too, where float64
        does not hold the flow without scaling.
    patterns
        Number of different patterns of units over the images.
    seconds
        By phase, the architecture's share of its group's; ``flow`` is that of the flow.
    memory_error
        Why nothing was found: not even a group of one fits into the GPU's memory.
    """

    architecture: int
    params: int
    flops: int
    relu_units: int
    parameter_tensors: int
    kernels: ReluKernels | None
    log_flow: float | None
    patterns: int | None
    seconds: dict[str, float]
    memory_error: str = ""


class GroupEngine:
    """Computes what a request wants, for groups of architectures on one mini-batch.

    Parameters
    ----------
    batch
        Mini-batch, (B, 3, height, width) float32, on the device.
    request
        What is wanted, of which space, with which weights.
    precision
        Of the convolutions.
    """

    def __init__(self, batch: Tensor, request: Request, precision: Precision) -> None:
        self._images = batch.permute(0, 2, 3, 1).contiguous().flatten()
        self._batch, self._request, self._precision = len(batch), request, precision
        self._compiled: set[tuple[str, Kind, Geometry]] = set()

    def results(
        self, plans: Iterable[GroupPlan], ahead: bool = True
    ) -> Iterator[ArchitectureResult]:
        """Yield the results of groups, in the order of the groups.

        Parameters
        ----------
        plans
            What ``plan_groups`` made of the request.
        ahead
            Whether the device computes the next group while the results of one are used. Otherwise
            it is idle whenever a result is yielded. Patterns are counted with the device's help,
            so where they are wanted the next group is not begun.
        """
        ahead = ahead and "patterns" not in self._request.wanted
        waiting: _Launched | None = None
        for plan in plans:
            for launched in self._launched(plan):
                if not ahead:
                    yield from launched.results()
                    continue
                if waiting:
                    yield from waiting.results()
                waiting = launched
        if waiting:
            yield from waiting.results()

    def _launched(self, plan: GroupPlan) -> Iterator[_Launched]:
        """Launch a group, or its halves where it does not fit into memory."""
        try:
            launched = self._launch(plan)
        except torch.OutOfMemoryError as error:
            reason = str(error).split(". ", 1)[0]
        else:
            yield launched
            return
        torch.cuda.empty_cache()
        members = plan.architectures.tolist()
        if len(members) == 1:
            logger.error("architecture %d does not fit into the GPU: %s", members[0], reason)
            yield _Launched(plan, self._request, None, GroupClock(self._images.device), reason)
            return
        logger.warning(
            "a group of %d architectures does not fit into the GPU and is halved: %s",
            *(len(members), reason),
        )
        middle = len(members) // 2
        for part in (members[:middle], members[middle:]):
            for half in plan_groups(replace(self._request, largest=len(part)), part):
                yield from self._launched(half)

    def _launch(self, plan: GroupPlan) -> _Launched:
        request, device = self._request, self._images.device
        self._compile(plan)
        clock = GroupClock(device)
        drawn: Tensor | None = None
        if request.initialization not in DRAWN_ON_DEVICE:
            with clock.phase("build"):
                drawn = host_weights(
                    plan.draws,
                    plan.architectures,
                    request.seed,
                    request.initialization,
                    plan.weight_elements,
                    device,
                )
        outputs = execute(plan, self._images, self._batch, self._precision, clock, drawn)
        return _Launched(plan, request, outputs, clock)

    def _compile(self, plan: GroupPlan) -> None:
        """Launch what was not launched before, for one row each and unrecorded.

        A kernel is compiled when it is launched first. That takes seconds, which belong to no
        architecture.
        """
        if self._images.device.type == "cpu":
            return  # the kernels are interpreted

        def new(part: str, launches: tuple[Launch, ...]) -> tuple[Launch, ...]:
            found = {}
            for launch in launches:
                key = (part, launch.kind, launch.geometry)
                if key not in self._compiled:
                    found[key] = replace(launch, table=launch.table[:1])
            self._compiled.update(found)
            return tuple(found.values())

        forward, flow = new("forward", plan.forward), new("flow", plan.flow)
        if forward or flow:
            rest = replace(plan, forward=forward, flow=flow, draws=plan.draws[:1])
            device = self._images.device
            execute(rest, self._images, self._batch, self._precision, GroupClock(device))


@dataclass(frozen=True)
class _Launched:
    """A group in the device's queue; without outputs it did not fit into memory."""

    plan: GroupPlan
    request: Request
    outputs: Outputs | None
    clock: GroupClock
    memory_error: str = ""

    def results(self) -> list[ArchitectureResult]:
        """Wait for the device and return what it found."""
        plan, counted = self.plan, self.plan.counted
        shares = _shares(self.clock.seconds(), plan)  # waits for the device
        kernels, log_flows, patterns = self._kernels(), self._log_flows(), self._patterns()
        return [
            ArchitectureResult(
                architecture=int(architecture),
                params=int(counted.params[place]),
                flops=int(counted.flops[place]),
                relu_units=int(counted.relu_units[place]),
                parameter_tensors=int(counted.parameter_tensors[place]),
                kernels=kernels[place],
                log_flow=log_flows[place],
                patterns=patterns[place],
                seconds=shares[place],
                memory_error=self.memory_error,
            )
            for place, architecture in enumerate(plan.architectures)
        ]

    def _kernels(self) -> list[ReluKernels] | list[None]:
        if (
            self.outputs is None
            or self.outputs.sums is None
            or "kernels" not in self.request.wanted
        ):
            return [None] * len(self.plan.architectures)
        once, official = self.outputs.sums.numpy()
        counted = self.plan.counted
        units = zip(counted.units_once.tolist(), counted.units_official.tolist(), strict=True)
        return [
            ReluKernels(kernel_of(once[place], of[0]), kernel_of(official[place], of[1]))
            for place, of in enumerate(units)
        ]

    def _log_flows(self) -> list[float | None]:
        if self.outputs is None or self.outputs.flow is None:
            return [None] * len(self.plan.architectures)
        members = self.plan.architectures.tolist()
        return [
            self._log_flow(arch, flow)
            for arch, flow in zip(members, self.outputs.flow.tolist(), strict=True)
        ]

    def _log_flow(self, arch: int, flow: float) -> float | None:
        if _SMALLEST_FLOW < flow < _LARGEST_FLOW:
            return log(flow)
        network = build_network(
            *(load_space(self.request.space), arch),
            *(self.request.image_size, self.request.classes),
        )
        reached = network.ancestors([network.output]).intersection(network.inputs)
        return None if reached else -inf

    def _patterns(self) -> list[int] | list[None]:
        if self.outputs is None or "patterns" not in self.request.wanted:
            return [None] * len(self.plan.architectures)
        words = -(-self.request.images // _BITS)
        found = []
        for first, units in self.plan.pattern_units.tolist():
            if self.outputs.patterns is None or not units:
                found.append(0)
                continue
            own = self.outputs.patterns[first : first + units * words]
            found.append(distinct_words(own.view(units, words)))
        return found


def _shares(seconds: dict[str, float], plan: GroupPlan) -> list[dict[str, float]]:
    """Share a group's seconds by phase among its architectures, by what their steps move."""
    by_phase = {
        phase: shared_seconds(spent, plan.flow_work if phase == "flow" else plan.forward_work)
        for phase, spent in seconds.items()
    }
    columns = np.stack(list(by_phase.values()), axis=1) if by_phase else np.empty((0, 0))
    if not by_phase:
        return [{} for _ in plan.architectures]
    return [dict(zip(by_phase, row, strict=True)) for row in columns.tolist()]
