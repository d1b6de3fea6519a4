"""Results that several proxies use: computed once, and billed to each proxy that needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class _Frame:
    used: set[str] = field(default_factory=set)
    nested_seconds: float = 0.0


class SharedResults:
    """A cache that knows what each result cost and on which others it rests.

    Parameters
    ----------
    now
        Returns seconds on a steady clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._values: dict[str, Any] = {}
        self._own_seconds: dict[str, float] = {}
        self._rests_on: dict[str, set[str]] = {}
        self._stack: list[_Frame] = []
        self._asked: set[str] = set()

    def get(self, name: str, compute: Callable[[], T]) -> T:
        """Return the result called ``name``, computing it the first time."""
        if name not in self._values:
            value, frame, own = self._run(compute)
            self._values[name] = value
            self._own_seconds[name] = own
            self._rests_on[name] = frame.used | {name}
        if self._stack:
            self._stack[-1].used |= self._rests_on[name]
        if len(self._stack) == 1:
            self._asked.add(name)
        found = self._values[name]
        if isinstance(found, MemoryError):
            raise found
        result: T = found
        return result

    def put(self, name: str, value: object, seconds: float, rests_on: Iterable[str] = ()) -> None:
        """Store a result that was computed elsewhere, what it cost, and on which others it rests.

        A MemoryError in place of a result is raised when the result is asked for.
        """
        self._values[name], self._own_seconds[name] = value, seconds
        self._rests_on[name] = {name}.union(*(self._rests_on[other] for other in rests_on))

    @property
    def asked(self) -> frozenset[str]:
        """Names of the results that what was billed has asked for itself."""
        return frozenset(self._asked)

    def bill(self, compute: Callable[[], T]) -> tuple[T, float]:
        """Run ``compute`` and return its result with the seconds it would have cost alone.

        That is its own time and the time of everything shared it used, whoever paid first.
        """
        value, frame, own = self._run(compute)
        return value, own + sum(self._own_seconds[name] for name in sorted(frame.used))

    def _run(self, compute: Callable[[], T]) -> tuple[T, _Frame, float]:
        frame, start = _Frame(), self._now()
        self._stack.append(frame)
        try:
            value = compute()
        finally:
            self._stack.pop()
            elapsed = self._now() - start
            if self._stack:
                self._stack[-1].nested_seconds += elapsed
        return value, frame, elapsed - frame.nested_seconds
