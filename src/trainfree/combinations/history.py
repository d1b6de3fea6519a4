"""Combinations over a history that grows: each evaluation among all those before it and itself.

Every evaluation of a run counts, one of an architecture that was met before, too. A newcomer moves
the ranks of those above it by one and of its equals by a half, so that taking it in needs one pass
over the history for each part; nothing is sorted. Ranks are kept doubled, as integers.

Evaluations are compared by their *merit*: for Σ ln rank the product of the doubled ranks, for
Σ rank their sum, for a vote the pairs won less those lost. These are integers, so that equal
combined scores are equal exactly, whatever the machine's logarithm does. Merits are handed out as
doubles: products are integers up to 2⁶³ (3,104 evaluations of five parts, 27,554 of four), rounded
once, and beyond that products of doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.combinations.declaration import Combination
from trainfree.compilation import compiled

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_RULES = {"log_ranks": 0, "ranks": 1, "majority": 2}
_LOG_RANKS, _MAJORITY = 0, 2
_FAILED = -1
_EXACT = 2.0**63


@dataclass(frozen=True)
class Ordering:
    """A combination and the order of all architectures by each of its parts.

    Attributes
    ----------
    combination
        What is combined.
    codes
        (arch, part) integers in the order of the scores, equal ones equal; −1 failed.
    """

    combination: Combination
    codes: Integers


class Followed(NamedTuple):
    """What one run's history comes to: arrays over its steps.

    ``leader`` is the step of the best among those so far, the first one among equals; ``fitness``
    the combined score of the evaluation among those so far, NaN failed.
    """

    leader: Integers
    fitness: Floats


class _State(NamedTuple):
    """A history: (part, step) arrays, (step,) arrays, and (part,) whether ranks are dense."""

    codes: Integers
    ranks: Integers
    balance: Integers
    merit: Floats
    exact: Integers
    failed: NDArray[np.bool_]
    dense: NDArray[np.bool_]


def ordering_of(combination: Combination, scores: Floats) -> Ordering:
    """Return the order by (arch, part) scores; −inf is the lowest, NaN failed."""
    codes = np.full(scores.shape, _FAILED, dtype=np.int64)
    for column, found in zip(scores.T, codes.T, strict=True):
        known = ~np.isnan(column)
        found[known] = np.unique(column[known], return_inverse=True)[1]
    return Ordering(combination, codes)


class History:
    """The evaluations of one run, ranked anew with each.

    Parameters
    ----------
    ordering
        What is combined, and the order of architectures.
    most
        Number of evaluations that may come.
    """

    def __init__(self, ordering: Ordering, most: int) -> None:
        self._codes, self._rule = ordering.codes, _RULES[ordering.combination.rule]
        self._state, self._count = _empty(ordering, most), 0

    def add(self, index: int) -> float:
        """Take in the evaluation of an architecture and return its merit, NaN failed."""
        _take_in(self._state, self._codes[index], self._rule, self._count)
        self._count += 1
        return float(self._state.merit[self._count - 1])

    @property
    def merits(self) -> Floats:
        """The merit of each evaluation so far; larger is better, only the order means anything."""
        return self._state.merit[: self._count].copy()


def follow(ordering: Ordering, trace: Integers, rung: Integers) -> Followed:
    """Go through the (step,) architectures of one run and their rungs.

    The leader is the best of the highest rung so far; all evaluations are ranked together.
    """
    combination = ordering.combination
    state, count = _empty(ordering, len(trace)), len(trace)
    leader, balance = np.zeros(count, np.int64), np.zeros(count, np.int64)
    ranks = np.zeros((count, len(combination.parts)))
    rule = _RULES[combination.rule]
    _follow(state, ordering.codes, trace, rung, rule, leader, ranks, balance)
    seen = np.arange(1.0, count + 1)
    if combination.rule == "majority":
        fitness = (balance / np.maximum(seen - 1, 1) + 1) / 2
    elif combination.rule == "ranks":
        fitness = ranks.sum(axis=1)
    else:
        size = seen[:, np.newaxis] if combination.relative else 1.0
        fitness = np.log(np.maximum(ranks, 0.5) / size).sum(axis=1)
    return Followed(leader, np.where(state.failed, np.nan, fitness))


def _empty(ordering: Ordering, most: int) -> _State:
    parts = ordering.combination.parts
    return _State(
        codes=np.full((len(parts), most), _FAILED, np.int64),
        ranks=np.zeros((len(parts), most), np.int64),
        balance=np.zeros(most, np.int64),
        merit=np.zeros(most),
        exact=np.zeros(most, np.int64),
        failed=np.zeros(most, np.bool_),
        dense=np.array([part.ties == "dense" for part in parts]),
    )


@compiled(nogil=True)
def _follow(
    state: _State,
    codes: Integers,
    trace: Integers,
    rung: Integers,
    rule: int,
    leader: Integers,
    ranks: Floats,
    balance: Integers,
) -> None:
    """Fill in (step,) the leader, and what each step's combined score is made of."""
    for step in range(len(trace)):
        _take_in(state, codes[trace[step]], rule, step)
        best = 0
        for other in range(1, step + 1):
            if rung[other] != rung[best]:
                better = rung[other] > rung[best]
            elif state.failed[best]:
                better = not state.failed[other]
            else:
                better = state.merit[other] > state.merit[best]  # never of NaN
            if better:
                best = other
        leader[step] = best
        balance[step] = state.balance[step]
        for part in range(ranks.shape[1]):
            ranks[step, part] = state.ranks[part, step] / 2


@compiled(nogil=True)
def _take_in(state: _State, new: Integers, rule: int, count: int) -> None:
    """Take in the evaluation number ``count`` of an architecture with (part,) codes ``new``."""
    for part in range(len(new)):
        state.codes[part, count] = new[part]
        if new[part] == _FAILED:
            state.failed[count] = True
    if rule == _MAJORITY:
        _vote(state, count)
        return
    for part in range(len(new)):
        if new[part] == _FAILED:
            continue
        if state.dense[part]:
            _rank_dense(state.codes[part], state.ranks[part], count)
        else:
            _rank(state.codes[part], state.ranks[part], count)
    _weigh(state, rule, count + 1)


@compiled(nogil=True)
def _rank(codes: Integers, ranks: Integers, count: int) -> None:
    """Give the newcomer its doubled mean rank, and move the others'."""
    code, own = codes[count], 2
    for other in range(count):
        above, equal = codes[other] > code, codes[other] == code
        ranks[other] += 2 * above + equal
        own += 2 * (codes[other] != _FAILED) - 2 * above - equal
    ranks[count] = own


@compiled(nogil=True)
def _rank_dense(codes: Integers, ranks: Integers, count: int) -> None:
    """Give the newcomer its doubled dense rank, and move the others' if its score is new."""
    code, own = codes[count], 2
    for other in range(count):
        if codes[other] == code:
            ranks[count] = ranks[other]
            return
        if codes[other] != _FAILED and codes[other] < code:
            own = max(own, ranks[other] + 2)
    for other in range(count):
        ranks[other] += 2 * (codes[other] > code)
    ranks[count] = own


@compiled(nogil=True)
def _weigh(state: _State, rule: int, count: int) -> None:
    """Work out the merits from the ranks."""
    multiplied = rule == _LOG_RANKS
    exact = not multiplied or (2.0 * count) ** len(state.ranks) < _EXACT
    state.exact[:count] = 1 if multiplied else 0
    state.merit[:count] = 1.0
    for ranks in state.ranks:
        for place in range(count):
            if not exact:
                state.merit[place] *= ranks[place]
            elif multiplied:
                state.exact[place] *= ranks[place]
            else:
                state.exact[place] += ranks[place]
    for place in range(count):
        if state.failed[place]:
            state.merit[place] = np.nan
        elif exact:
            state.merit[place] = state.exact[place]


@compiled(nogil=True)
def _vote(state: _State, count: int) -> None:
    """Let the parts vote between the newcomer and each of the others; no failed one is beaten."""
    for other in range(count):
        if state.failed[count] or state.failed[other]:
            continue
        votes = 0
        for part in range(len(state.codes)):
            votes += state.codes[part, count] > state.codes[part, other]
            votes -= state.codes[part, count] < state.codes[part, other]
        won = (votes > 0) - (votes < 0)
        state.balance[count] += won
        state.balance[other] -= won
        state.merit[other] = state.balance[other]
    state.merit[count] = np.nan if state.failed[count] else state.balance[count]
