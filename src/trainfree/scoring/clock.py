"""Measured seconds by phase. These are scoring seconds; simulated training has its own clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

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
