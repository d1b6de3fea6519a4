"""How long a run still takes, from what its jobs took, tell of themselves and took earlier."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean
from typing import Literal

State = Literal["waiting", "running", "done", "failed"]

_SECONDS = {
    "prepare": 10.0,
    "score": 60.0,
    "merge": 1.0,
    "search": 8.0,
    "search_fronts": 30.0,
    "share": 120.0,
    "learn": 60.0,
    "learn_for_field": 300.0,
    "tabulate": 2.0,
    "choose": 2.0,
    "store_kernels": 6.0,
    "write": 2.0,
}
"""What jobs of a rule or a family take on one core where nothing else is known, as measured.

A family are the rules that begin with the same word.
"""
_USUAL_SECONDS = 4.0
_OF_A_SHARD, _OF_AN_ARCHITECTURE = 5.0, 0.06
"""What a scoring job takes, with the default proxies at batch size 32."""
_OF_ANY_SIZE = {"prepare", "score", "learn", "share", "train", "enas", "search"}
"""Families whose jobs take seconds or hours on any machine, and say nothing of its speed."""
_Key = tuple[Literal["rule", "family", "all"], str]
_ALL: _Key = ("all", "")
_OVERDUE = 0.2
"""Part of the time so far that a job is given which takes longer than was expected."""


@dataclass(frozen=True)
class Step:
    """A job of the run as the estimate sees it.

    Attributes
    ----------
    rule
        Jobs of one rule take alike.
    state
        What has become of it.
    elapsed
        Seconds since it began; of one that is done, what it took.
    left
        Seconds that it takes on by its own count, if it counts.
    usual
        Seconds that it took in an earlier run, if there was one.
    architectures
        How many it scores, where its file says so.
    after
        Places of the jobs it waits for, all before its own.
    needs
        How much it takes of what is limited.
    """

    rule: str
    state: State
    elapsed: float = 0.0
    left: float | None = None
    usual: float | None = None
    architectures: int = 0
    after: tuple[int, ...] = ()
    needs: Mapping[str, int] = field(default_factory=dict)


def expected_seconds(steps: Sequence[Step], slowness: float = 1.0) -> list[float]:
    """Return how long each job takes from its begin to its end.

    What a job itself says counts most, then what it took earlier or what is usual, times how much
    longer than that others took in this run: those of its rule, or of its family, or of all.

    Parameters
    ----------
    steps
        All jobs of the run.
    slowness
        How much longer than on a free core work took when the run began.
    """
    known = [_known(step) for step in steps]
    guesses = [_guess(step) for step in steps]
    ratios = _ratios(steps, known, guesses, slowness)
    expected = []
    for step, value, guess in zip(steps, known, guesses, strict=True):
        if value is None:
            value = guess * next(ratios[key] for key in _keys(step) if key in ratios)
            if step.state == "running":
                value = max(value, (1 + _OVERDUE) * step.elapsed)
        expected.append(value)
    return expected


def _ratios(
    steps: Sequence[Step],
    known: Sequence[float | None],
    guesses: Sequence[float],
    slowness: float,
) -> dict[_Key, float]:
    """Return how much longer than guessed jobs took."""
    sums: defaultdict[_Key, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for step, value, guess in zip(steps, known, guesses, strict=True):
        if value is not None:
            for key in _keys(step)[:-1]:
                sums[key][0] += value
                sums[key][1] += guess
    ratios = {key: took / guessed for key, (took, guessed) in sums.items() if took > 0}
    of_families = [
        ratio
        for (kind, name), ratio in ratios.items()
        if kind == "family" and name not in _OF_ANY_SIZE
    ]
    ratios[_ALL] = geometric_mean([slowness, *of_families])
    return ratios


def _keys(step: Step) -> tuple[_Key, ...]:
    """Return what a job has in common with others, the closest first."""
    return ("rule", step.rule), ("family", _family(step.rule)), _ALL


def _family(rule: str) -> str:
    return rule.partition("_")[0]


def share_done(steps: Sequence[Step], expected: Sequence[float]) -> float:
    """Return what part of the work of these jobs is done, from 0 to 1; 1 without any.

    Parameters
    ----------
    steps, expected
        The jobs, and how long each takes from its begin to its end.
    """
    done = sum(
        min(step.elapsed, seconds)
        for step, seconds in zip(steps, expected, strict=True)
        if step.state in ("done", "running")
    )
    total = sum(expected)
    return done / total if total else 1.0


def seconds_left(
    steps: Sequence[Step], expected: Sequence[float], limits: Mapping[str, int]
) -> float:
    """Return how long it takes until no job is left that can be done.

    Jobs are begun as in the run: as soon as those they wait for are done and there is enough of
    what is limited. What waits for a failed job is never begun.

    Parameters
    ----------
    steps
        All jobs of the run; none before those it waits for.
    expected
        How long each takes from its begin to its end.
    limits
        How much there is at a time of what is limited.
    """
    return _Schedule(steps, expected, limits).run()


class _Schedule:
    """The rest of the run, played through."""

    def __init__(
        self, steps: Sequence[Step], expected: Sequence[float], limits: Mapping[str, int]
    ) -> None:
        self._steps = steps
        self._free = dict(limits)
        self._expected = expected
        self._followers: list[list[int]] = [[] for _ in steps]
        self._open = [0] * len(steps)
        self._ready: defaultdict[tuple[tuple[str, int], ...], list[int]] = defaultdict(list)
        self._ends: list[tuple[float, int]] = []
        self._needs = [
            tuple(
                (name, min(value, limits[name]))
                for name, value in sorted(step.needs.items())
                if name in limits
            )
            for step in steps
        ]
        lost: set[int] = set()
        for place, step in enumerate(steps):
            if step.state == "failed" or not lost.isdisjoint(step.after):
                lost.add(place)
            elif step.state != "done":
                self._add(place, step)

    def _add(self, place: int, step: Step) -> None:
        if step.state == "running":
            self._begin(place, max(self._expected[place] - step.elapsed, 0.0))
            return
        for one in step.after:
            if self._steps[one].state != "done":
                self._open[place] += 1
                self._followers[one].append(place)
        if not self._open[place]:
            heapq.heappush(self._ready[self._needs[place]], place)

    def run(self) -> float:
        now = 0.0
        self._begin_ready(now)
        while self._ends:
            now, ended = heapq.heappop(self._ends)
            for name, value in self._needs[ended]:
                self._free[name] += value
            for place in self._followers[ended]:
                self._open[place] -= 1
                if not self._open[place]:
                    heapq.heappush(self._ready[self._needs[place]], place)
            self._begin_ready(now)
        return now

    def _begin_ready(self, now: float) -> None:
        """Begin what there is room for; jobs of equal needs in the order of the plan."""
        for needs, places in self._ready.items():
            while places and all(self._free[name] >= value for name, value in needs):
                place = heapq.heappop(places)
                self._begin(place, now + self._expected[place])

    def _begin(self, place: int, end: float) -> None:
        for name, value in self._needs[place]:
            self._free[name] -= value
        heapq.heappush(self._ends, (end, place))


def _known(step: Step) -> float | None:
    """Return what a job takes in all, where that is known from the job itself."""
    if step.state == "done":
        return step.elapsed
    if step.state == "running" and step.left is not None:
        return step.elapsed + step.left
    return None


def _guess(step: Step) -> float:
    family = _SECONDS.get(_family(step.rule), _USUAL_SECONDS)
    seconds = _SECONDS.get(step.rule, family)
    if step.architectures:
        seconds = _OF_A_SHARD + _OF_AN_ARCHITECTURE * step.architectures
    return max(step.usual or seconds, 0.1)
