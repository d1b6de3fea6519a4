"""How long a run goes on, and where it is read out.

A budget is a number of evaluations, or seconds. Seconds count on the simulated clock of training
and, where a proxy assists, on the measured clock of its scoring as well: an assisted search pays
for its scores. What happens to the evaluation that passes the end has a name:

``stop_before``
    It is not made, and neither is any later one (RS, REA and BOHB of the NAS-Bench-201 scripts).
``allow``
    It is made and counts, and is the last (REINFORCE of the NAS-Bench-201 scripts; NASWOT's
    assisted evolution).
``interpolate``
    It is made, and the accuracy at the end of the budget is interpolated linearly between the
    answers after the two evaluations whose ends are nearest to it, which may both lie on one side
    (tables of NATS-Bench).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.protocol import Overshoot, PaidScores, Run

if TYPE_CHECKING:
    from trainfree.combinations.history import History
    from trainfree.search.protocol import Retold

IndexArray = NDArray[np.int32]
PlaceArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MOST_STEPS = 1_000_000
"""Evaluations of one run. A budget of seconds ends by itself unless trainings take next to none."""
MOST_EVALUATIONS = 100_000_000
"""Evaluations of all runs of a search: their traces are in memory at once."""
NOTHING = -1
"""In the place of an architecture: the run had ended."""


@dataclass(frozen=True)
class Evaluations:
    """Read out after each of these numbers of evaluations, ascending."""

    counts: tuple[int, ...]


@dataclass(frozen=True)
class Seconds:
    """Read out after so many seconds."""

    limit: float
    overshoot: Overshoot


Budget = Evaluations | Seconds


class Record(NamedTuple):
    """One run: lists over its steps.

    ``assistance`` is what had been paid for assisting scores when the step was evaluated.
    """

    arch: list[int]
    rung: list[int]
    assistance: list[float]


class Reading(NamedTuple):
    """Where all runs are read out: arrays over (run, budget) of places in the trace.

    ``answer`` is the place of the answer. What is reported about it is read after the evaluation
    at ``step`` and moved by ``weight`` towards what is read after the one at ``other``.
    """

    answer: PlaceArray
    step: PlaceArray
    other: PlaceArray
    weight: FloatArray

    def of_clock(self, clock: FloatArray) -> FloatArray:
        """Return (run, budget) the reading of a (run, step) clock."""
        return self._between(*(_at(clock, place) for place in (self.step, self.other)))

    def of_answers(self, values: FloatArray, arch: IndexArray, leader: PlaceArray) -> FloatArray:
        """Return (run, budget, ...) the reading of (arch, ...) values of the best so far."""
        leading = (_at(arch, _at(leader, place)) for place in (self.step, self.other))
        return self._between(*(values[index] for index in leading))

    def _between(self, near: FloatArray, far: FloatArray) -> FloatArray:
        weight = self.weight.reshape(self.weight.shape + (1,) * (near.ndim - 2))
        return np.where(weight == 0, near, (1 - weight) * near + weight * far)


def asked(
    algorithm: Run, fitness: Sequence[float], history: History | None = None
) -> Iterator[int]:
    """Yield for ever what the algorithm asks for; it is told the fitness when it goes on.

    With a history, the fitness is that among the evaluations so far, and the algorithm, which has
    to be :class:`~trainfree.search.protocol.Retold`, is told that of the earlier ones anew.
    """
    ask, tell = algorithm.ask, algorithm.tell
    while True:
        index = ask()
        yield index
        if history is None:
            tell(index, fitness[index])
        else:
            tell(index, history.add(index))
            cast("Retold", algorithm).retell(history.merits)


def record(
    algorithm: Run,
    fitness: Sequence[float],
    seconds: Sequence[float],
    scores: PaidScores | None,
    budget: Budget,
    history: History | None = None,
) -> Record:
    """Let a fresh algorithm run to the end of its budget.

    Parameters
    ----------
    fitness, seconds
        By architecture index: what the algorithm is told, and what an evaluation costs.
    scores
        What the assisting proxy says and costs; None for a search without assistance.
    history
        What tells the fitness instead, where a combination guides.

    Raises
    ------
    ConfigError
        When a budget of seconds is not spent after ``MOST_STEPS`` evaluations.
    """
    arch: list[int] = []
    rung: list[int] = []
    assistance: list[float] = []
    most = budget.counts[-1] if isinstance(budget, Evaluations) else MOST_STEPS
    limit = budget.limit if isinstance(budget, Seconds) else np.inf
    before = isinstance(budget, Seconds) and budget.overshoot == "stop_before"
    clock = 0.0
    for index in islice(asked(algorithm, fitness, history), most):
        clock += seconds[index]
        paid = 0.0 if scores is None else scores.spent
        if before and clock + paid > limit:
            break
        arch.append(index)
        rung.append(algorithm.rung)
        assistance.append(paid)
        if clock + paid >= limit:
            break
    else:
        if isinstance(budget, Seconds):
            raise ConfigError(endless(limit, clock + scores.spent if scores else clock, len(arch)))
    return Record(arch, rung, assistance)


def endless(limit: float, spent: float, steps: int) -> str:
    """Say that a budget of seconds is never spent."""
    return (
        f"budget_seconds: expected a budget that at most {MOST_STEPS:,} evaluations spend; "
        f"{steps:,} take {spent:.6g} of its {limit:.6g} s; give fewer seconds, or "
        "check the benchmark's training times"
    )


def read_out(leader: PlaceArray, steps: PlaceArray, clock: FloatArray, budget: Budget) -> Reading:
    """Find where each run is read out.

    Parameters
    ----------
    leader
        (run, step) the place of the best so far, see :func:`leaders`.
    steps
        (run,) number of steps of each run, at least one.
    clock
        (run, step) seconds up to the end of each step, NaN after a run's end.
    """
    if isinstance(budget, Seconds) and budget.overshoot == "interpolate":
        return _interpolated(leader, clock, budget.limit)
    if isinstance(budget, Evaluations):
        last = np.tile(np.array(budget.counts, dtype=np.int64) - 1, (len(steps), 1))
    else:
        last = steps[:, np.newaxis] - 1
    return Reading(_at(leader, last), last, last, np.zeros(last.shape))


def leaders(merit: PlaceArray) -> PlaceArray:
    """Return (run, step) the place of the best so far; the first one wins among equals.

    Parameters
    ----------
    merit
        (run, step) integers, larger is better; -1 after a run's end.
    """
    best = np.maximum.accumulate(merit, axis=1)
    first = np.ones((len(merit), 1), dtype=bool)
    is_new = np.concatenate([first, best[:, 1:] > best[:, :-1]], axis=1)
    leader: PlaceArray = np.maximum.accumulate(
        np.where(is_new, np.arange(merit.shape[1]), 0), axis=1
    )
    return leader


def _interpolated(leader: PlaceArray, clock: FloatArray, limit: float) -> Reading:
    """Read out at ``limit`` between the two evaluations that end nearest to it.

    The answer is the best that was known when the time was up, or the first evaluation.
    """
    away = np.where(np.isnan(clock), np.inf, np.abs(clock - limit))
    order = np.argsort(away, axis=1, kind="stable")
    step, other = order[:, :1], order[:, min(1, clock.shape[1] - 1) :][:, :1]
    other = np.where(np.isinf(_at(away, other)), step, other)
    at = _at(clock, step)
    gap = _at(clock, other) - at
    weight = np.divide(limit - at, gap, out=np.zeros_like(gap), where=gap != 0)
    within = np.maximum((clock <= limit).sum(axis=1, keepdims=True) - 1, 0)
    return Reading(_at(leader, within), step, other, weight)


def _at(values: NDArray[Any], places: PlaceArray) -> NDArray[Any]:
    return np.take_along_axis(values, places, axis=1)
