"""Measured seconds by phase. These are scoring seconds; simulated training has its own clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

PHASES = ("build", "forward", "kernel", "linear_algebra", "other", "total")


class PhaseClock:
    """Adds up the seconds spent in each phase of scoring one architecture.

    Parameters
    ----------
    synchronize
        Called before each reading, so that queued work of a GPU is counted where it belongs.
    """

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        self._synchronize = synchronize
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._nested: list[float] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of the ``with`` block to phase ``name``, less those of phases inside."""
        start = self.now()
        self._nested.append(0.0)
        try:
            yield
        finally:
            elapsed = self.now() - start
            self.seconds[name] += elapsed - self._nested.pop()
            if self._nested:
                self._nested[-1] += elapsed

    def now(self) -> float:
        """Return seconds on a steady clock, after the device has finished its work."""
        self._synchronize()
        return perf_counter()


class GroupClock:
    """Seconds that a device spends in each phase of scoring a group of architectures.

    On a GPU events in its queue mark where phases change, so that nothing waits for it until the
    seconds are read; on a processor a phase is as long as it takes to come back from it. A phase
    that is entered inside another one interrupts it.

    Parameters
    ----------
    device
        Where the group is computed; of a GPU the current stream is timed.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._spans: list[tuple[str, Any, Any]] = []
        self._running = ""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what the device is given in the ``with`` block towards phase ``name``."""
        outer = self._running
        if outer:
            self._end()
        self._begin(name)
        try:
            yield
        finally:
            self._end()
            if outer:
                self._begin(outer)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each phase there was; waits for the device to end the last one."""
        found: dict[str, float] = {}
        if self._on_gpu and self._spans:
            self._spans[-1][2].synchronize()
        for name, start, end in self._spans:
            spent = start.elapsed_time(end) / 1000 if self._on_gpu else end - start
            found[name] = found.get(name, 0.0) + spent
        return found

    def _begin(self, name: str) -> None:
        self._running = name
        if self._spans and self._spans[-1][0] == name:
            return  # goes on: launches follow each other by the dozen
        self._spans.append((name, self._mark(), None))

    def _end(self) -> None:
        self._running = ""
        name, start, end = self._spans[-1]
        self._spans[-1] = (name, start, self._mark(end))

    def _mark(self, event: Any = None) -> Any:
        """Return the present moment: of a GPU an event behind all that it was given so far."""
        if not self._on_gpu:
            return perf_counter()
        if event is None:
            import torch  # the workflow reads this file

            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def shared_seconds(seconds: float, work: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each architecture in the seconds of its group, (G,).

    Parameters
    ----------
    seconds
        Of the whole group.
    work
        What they are shared in proportion to, (G,), not negative: the elements that the steps of
        each architecture read and write. Where nobody has any, shares are equal.
    """
    whole = work.sum()
    share = work / whole if whole > 0 else np.full(len(work), 1 / max(len(work), 1))
    shared: NDArray[np.float64] = seconds * share
    return shared
