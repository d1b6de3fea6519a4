"""The group engine as the GPU benchmark runs it: plans, groups, and proxies on what they find."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import torch

from on_gpu.cases import INITIALIZATION, SEED, Case
from on_gpu.ways import OneByOne, loaded, score_of
from trainfree.proxies.registry import Proxy
from trainfree.scoring.architectures.groups import QUANTITIES, tell
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.gpu_engine.engine import ArchitectureResult, GroupEngine
from trainfree.scoring.gpu_engine.grouping import Request, plan_groups
from trainfree.scoring.gpu_engine.planners import planned
from trainfree.scoring.gpu_kernels.launches import GroupPlan
from trainfree.scoring.settings.precision import Precision

NASWOT = ("naswot",)
THREE = ("naswot", "naswot_official", "synflow")
GROUPABLE = (*THREE, "naswot_normalised", "swap", "params", "flops", "relu_units")
ASKED = {
    "naswot": "kernels",
    "naswot_official": "kernels",
    "naswot_normalised": "kernels",
    "synflow": "flow",
    "swap": "unit patterns",
}
THREADS = 4
"""Processor threads and processes that a scoring job uses beside its own."""
MEMORY = 0.5
"""Share of the card's memory for a group."""

Scores = dict[int, dict[str, float]]


@dataclass(frozen=True)
class Groups:
    """The group engine for some proxies on a case.

    Attributes
    ----------
    largest
        Architectures in a group.
    """

    case: Case
    proxies: tuple[str, ...]
    largest: int
    device: torch.device
    precision: Precision = "tf32x3"

    @property
    def request(self) -> Request:
        wanted = frozenset(QUANTITIES[ASKED[name]] for name in self.proxies if name in ASKED)
        return Request(
            space=self.case.space,
            files=(),
            image_size=self.case.size,
            classes=self.case.classes,
            images=self.case.images,
            seed=SEED,
            initialization=INITIALIZATION,
            wanted=wanted,
            budget=budget_of(self.device),
            largest=self.largest,
        )

    def plans(self, archs: Sequence[int]) -> list[GroupPlan]:
        """Plan groups here and now."""
        return plan_groups(self.request, archs)

    def planned(self, archs: Sequence[int]) -> Iterator[GroupPlan]:
        """Plan groups in helping processes, ahead of use."""
        return planned(self.request, archs, THREADS if self.device.type == "cuda" else 0)

    def results(self, plans: Iterable[GroupPlan]) -> list[ArchitectureResult]:
        """Return what the engine finds, without any proxy."""
        return list(self._engine.results(plans))

    def scores(self, plans: Iterable[GroupPlan]) -> Scores:
        """Score as a scoring job does: groups on the GPU, proxies in threads meanwhile."""
        made: dict[int, Future[dict[str, float]]] = {}
        with ThreadPoolExecutor(THREADS) as pool:
            for result in self._engine.results(plans):
                made[result.architecture] = pool.submit(self.row, result)
            return {arch: future.result() for arch, future in made.items()}

    def row(self, result: ArchitectureResult) -> dict[str, float]:
        """Return the scores of an architecture by proxy."""
        if result.memory_error:
            raise MemoryError(result.memory_error)
        one_by_one, proxies = self._rows
        backend = one_by_one.backend(result.architecture, PhaseClock())
        tell(result, self.case.classes, backend)
        candidate = CheckedCandidate(backend)
        return {proxy.name: score_of(candidate, proxy)[0] for proxy in proxies}

    @cached_property
    def _rows(self) -> tuple[OneByOne, list[Proxy]]:
        return OneByOne(self.case, self.device), loaded(self.proxies)

    @cached_property
    def _engine(self) -> GroupEngine:
        """One for all calls, as a job has one: what it has compiled it launches no more."""
        return GroupEngine(self.case.batch(self.device), self.request, self.precision)


def budget_of(device: torch.device) -> int:
    """Return how many bytes a group may take."""
    if device.type != "cuda":
        return 2**31
    return int(MEMORY * torch.cuda.get_device_properties(device).total_memory)


class FirstArrival:
    """Plans, with the time at which the first of them was there."""

    def __init__(self, plans: Iterable[GroupPlan]) -> None:
        self._plans = plans
        self.at = 0.0

    def __iter__(self) -> Iterator[GroupPlan]:
        for plan in self._plans:
            self.at = self.at or time.perf_counter()
            yield plan
