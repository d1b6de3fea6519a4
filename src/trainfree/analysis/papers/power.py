"""How many wrong numbers the verdicts of a table would let pass.

The measured number of a row is held against the printed one of another row, which it is not meant
to reproduce. A table whose rows can be swapped without a verdict that notices proves little.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trainfree.analysis.papers.margins import largest_error, to_next_row
from trainfree.analysis.papers.measures import Measured
from trainfree.analysis.papers.verdicts import (
    NOT_REPRODUCED,
    REPRODUCED,
    Verdict,
    judge,
    plain_word,
)
from trainfree.analysis.published import Cell
from trainfree.analysis.settings import AnalysisSettings


class Compared(NamedTuple):
    """A published cell, the measured number beside it, and the verdict."""

    cell: Cell
    measured: Measured
    verdict: Verdict


class Swaps(NamedTuple):
    """How many wrong numbers were held against a cell, and how many would have reproduced it."""

    tried: int
    passed: int


def swaps(compared: Sequence[Compared], settings: AnalysisSettings) -> list[Swaps]:
    """Return for each cell of a table what the measured numbers of other rows come to.

    Rows whose printed numbers differ by no more than their standard errors are not swapped: nobody
    could tell them apart. Neither are cells that are not compared.
    """
    printed = [one.cell for one in compared]
    return [_swaps_of(one, compared, to_next_row(one.cell, printed), settings) for one in compared]


def _swaps_of(
    one: Compared, compared: Iterable[Compared], apart: float, settings: AnalysisSettings
) -> Swaps:
    words = [
        judge(
            one.cell,
            other.measured.value,
            other.measured.error,
            settings,
            to_next_row=apart,
            reference_error=one.measured.reference_error,
        ).word
        for other in compared
        if _is_judged(one) and _is_judged(other) and are_told_apart(one.cell, other.cell)
    ]
    return Swaps(len(words), words.count(REPRODUCED))


def are_told_apart(one: Cell, other: Cell) -> bool:
    """Whether two rows of a column differ in print by more than their standard errors."""
    if (one.column, one.unit) != (other.column, other.unit) or one.row == other.row:
        return False
    errors = math.hypot(largest_error(one), largest_error(other))
    return abs(one.value - other.value) > errors


def _is_judged(one: Compared) -> bool:
    return plain_word(one.verdict.word) in (REPRODUCED, NOT_REPRODUCED)
