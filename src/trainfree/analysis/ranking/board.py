"""Scores of any origin beside each other: what each ranking is worth, and paired tests.

All columns are resampled together: resample r has the same architectures for each of them, so that
the difference of two is a paired one. A resample draws as many architectures as the list has, with
replacement; a column counts those of them that it has a score for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.statistics.paired_tests import holm
from trainfree.analysis.statistics.rank_statistics import PairedRanks, percentile_interval
from trainfree.analysis.statistics.weighted_gain import HeadGain
from trainfree.randomness import stream

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
MEASURES = ("kendall", "spearman", "top_kendall", "ndcg")
"""τ-b, ρ, τ-b among the best tenth by accuracy, nDCG@1000."""
TITLES = {
    "kendall": "Kendall τ-b",
    "spearman": "Spearman ρ",
    "top_kendall": "τ-b, best 10 %",
    "ndcg": "nDCG@1000",
}
BEST = 0.1
FEWEST, FEWEST_TESTED, FEWEST_OF_HEAD = 10, 30, 100
"""Architectures below which a ranking is not measured, not tested, and its head is not looked at.
Columns with fewer than the last, of a list that has more, stand at the end of the board."""
LEVEL = 0.05


@dataclass(frozen=True)
class Column:
    """Scores of one proxy on the architectures of a list.

    Attributes
    ----------
    name
        Of the proxy.
    scores
        (arch,); NaN where there is none, −inf ranks lowest.
    own
        Whether it is one of the user's.
    setting
        Of the suite's own: which setting scored it.
    """

    name: str
    scores: Floats
    own: bool
    setting: str = ""

    @cached_property
    def usable(self) -> Booleans:
        """(arch,) whether there is a score; +inf is none, as everywhere in the suite."""
        found: Booleans = ~np.isnan(self.scores) & ~np.isposinf(self.scores)
        return found


@dataclass(frozen=True)
class Line:
    """A column's line of the board: measures and their intervals by name, NaN where undefined."""

    column: Column
    n: int
    missing: int
    infinite: int
    measured: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Test:
    """A paired test of τ-b of one of the user's columns against one of the suite's.

    Attributes
    ----------
    n
        Architectures that both have a score for.
    difference, low, high
        τ-b of the first less that of the second, with its 95 % percentile interval.
    p_value, adjusted
        Two-sided, of the difference over its bootstrap standard error; the second by Holm's method
        over all tests of the board.
    """

    own: str
    other: str
    setting: str
    n: int
    own_value: float
    other_value: float
    difference: float
    low: float
    high: float
    p_value: float
    adjusted: float

    @property
    def verdict(self) -> str:
        """What it says in words."""
        if math.isnan(self.adjusted):
            return "too few in common" if self.n < FEWEST_TESTED else "not tested"
        if self.adjusted >= LEVEL:
            return "no clear difference"
        return "higher" if self.difference > 0 else "lower"


@dataclass(frozen=True)
class Board:
    """Lines, best τ-b first but for columns of few architectures, and tests in their order."""

    lines: tuple[Line, ...]
    tests: tuple[Test, ...]
    resamples: int


def make_board(
    columns: Sequence[Column], accuracy: Floats, population: int, resamples: int, seed: int
) -> Board:
    """Return the board of columns on one list of architectures.

    Parameters
    ----------
    columns
        All of one length.
    accuracy
        (arch,) in percent, without NaN.
    population
        Architectures of the space, of which the list is taken for a uniform sample: nDCG@1000
        counts the first thousand of so many.
    resamples, seed
        Of the bootstrap.
    """
    own = [column for column in columns if column.own]
    others = [column for column in columns if not column.own]
    pairs = [(one, other) for one in own for other in others]
    resampled = _Resampled(accuracy, population)
    for column in columns:
        resampled.ask(column, column.usable, MEASURES)
    for one, other in pairs:
        for column in (one, other):
            resampled.ask(column, one.usable & other.usable, ("kendall",))
    resampled.draw(resamples, seed)
    enough = min(FEWEST_OF_HEAD, len(accuracy))

    def place_of(line: Line) -> tuple[bool, bool, float]:
        value = line.measured["kendall"]
        return line.n < enough and not line.column.own, math.isnan(value), -value

    lines = sorted((_line(column, resampled) for column in columns), key=place_of)
    tests = [_test(one, other, resampled) for one, other in pairs]
    known = [place for place, test in enumerate(tests) if not math.isnan(test.p_value)]
    for place, p_value in zip(known, holm([tests[at].p_value for at in known]), strict=True):
        tests[place] = replace(tests[place], adjusted=float(p_value))
    order = {id(line.column): place for place, line in enumerate(lines)}
    by_line = sorted(
        zip(pairs, tests, strict=True), key=lambda each: [order[id(c)] for c in each[0]]
    )
    return Board(tuple(lines), tuple(test for _, test in by_line), resamples)


class _Resampled:
    """Measures of columns on parts of a list: on the parts themselves, then on every resample.

    What is wanted is asked for first. Then all of it is looked at resample by resample, so that
    one resample at a time is in memory.
    """

    def __init__(self, accuracy: Floats, population: int) -> None:
        self._accuracy, self._population = accuracy, population
        self._asked: dict[tuple[int, bytes], tuple[Booleans, _Measures]] = {}
        self._drawn: dict[tuple[int, bytes], Floats] = {}

    def ask(self, column: Column, part: Booleans, names: Sequence[str]) -> None:
        """Want measures of a column on a part; of few architectures there are none."""
        key = _key(column, part)
        if key not in self._asked and part.sum() >= FEWEST:
            measures = _Measures(column.scores[part], self._accuracy[part], self._population, names)
            self._asked[key] = part, measures

    def draw(self, resamples: int, seed: int) -> None:
        """Work out all that was asked for."""
        rng, n = stream(seed, "board"), len(self._accuracy)
        found = {key: [measures.values()] for key, (_, measures) in self._asked.items()}
        for _ in range(resamples):
            counts = np.bincount(rng.integers(n, size=n), minlength=n)
            for key, (part, measures) in self._asked.items():
                found[key].append(measures.values(counts[part]))
        self._drawn = {key: np.array(values) for key, values in found.items()}

    def measured(self, column: Column, part: Booleans) -> Floats:
        """Return (1 + resample, measure): first of the part itself, τ-b in the first column."""
        return self._drawn[_key(column, part)]


def _key(column: Column, part: Booleans) -> tuple[int, bytes]:
    return id(column), np.packbits(part).tobytes()


class _Measures:
    """Some measures of pairs, of which only those asked for are prepared."""

    def __init__(
        self, score: Floats, accuracy: Floats, population: int, names: Sequence[str]
    ) -> None:
        self._asked = names
        if len(score) < FEWEST_OF_HEAD:
            names = [name for name in names if name != "ndcg"]
        self._names = names
        self._ranked = [name for name in ("kendall", "spearman") if name in names]
        self._pairs = PairedRanks(score, accuracy)
        if "top_kendall" in names:
            self._best = accuracy >= np.quantile(accuracy, 1 - BEST)
            self._top = PairedRanks(score[self._best], accuracy[self._best])
        if "ndcg" in names:
            self._head = HeadGain(score, accuracy, population)

    def values(self, counts: Integers | None = None) -> list[float]:
        found = dict(zip(self._ranked, self._pairs.chosen(self._ranked, counts), strict=True))
        if "top_kendall" in self._names:
            few = len(self._top) < FEWEST
            inside = None if counts is None else counts[self._best]
            found["top_kendall"] = math.nan if few else self._top.chosen(["kendall"], inside)[0]
        if "ndcg" in self._names:
            found["ndcg"] = self._head.value(counts)
        return [found.get(name, math.nan) for name in self._asked]


def _line(column: Column, resampled: _Resampled) -> Line:
    part = column.usable
    n = int(part.sum())
    infinite = int(np.isneginf(column.scores).sum())
    values = dict.fromkeys(MEASURES, math.nan)
    intervals = dict.fromkeys(MEASURES, (math.nan, math.nan))
    if n >= FEWEST:
        drawn = resampled.measured(column, part)
        values = dict(zip(MEASURES, drawn[0].tolist(), strict=True))
        intervals = {
            name: percentile_interval(drawn[1:, place]) for place, name in enumerate(MEASURES)
        }
    return Line(column, n, len(part) - n, infinite, values, intervals)


def _test(own: Column, other: Column, resampled: _Resampled) -> Test:
    part = own.usable & other.usable
    n = int(part.sum())
    if n < FEWEST_TESTED:
        return Test(own.name, other.name, other.setting, n, *[math.nan] * 7)
    ours, theirs = (resampled.measured(column, part)[:, 0] for column in (own, other))
    drawn = ours - theirs
    low, high = percentile_interval(drawn[1:])
    found = (float(ours[0]), float(theirs[0]), float(drawn[0]), low, high)
    p_value = two_sided(float(drawn[0]), drawn[1:])
    return Test(own.name, other.name, other.setting, n, *found, p_value, math.nan)


def two_sided(difference: float, drawn: Floats) -> float:
    """Return the p-value of a difference over the standard deviation of its resamples.

    The normal law is used and not the share of resamples beyond zero, which cannot fall below
    1 / resamples and would leave nothing significant after a correction for many tests.
    """
    error = float(np.std(drawn, ddof=1)) if len(drawn) > 1 else math.nan
    if math.isnan(difference) or math.isnan(error):
        return math.nan
    if error < 1e-12:  # the same ranking, but for rounding
        return 1.0 if abs(difference) < 1e-12 else 0.0
    return math.erfc(abs(difference) / error / math.sqrt(2))
