"""The fixed rule that decides whether a measured number reproduces a published one.

A published number is reproduced if the measured one cannot be distinguished from it, or is so close
that it could not belong to another row. Two lengths decide:

* the *noise*: two standard errors of the difference, from the published spread and n and from our
  own runs;
* the *margin*: half of the distance to the nearest row of the column that differs from this one by
  more than the paper's own errors, since a number beyond half-way would be closer to that row; at
  most ``margin_percent`` (accuracies), ``margin_correlation`` (τ and r) or ``margin_score`` of the
  number itself (scores).

The verdicts:

* difference within the noise: *reproduced*, *equal within noise*; but if the noise reaches the
  nearest row, or is more than ``coarsest`` of the largest margins, agreement would be meaningless:
  *not comparable*;
* beyond the noise and within the margin: *reproduced*, *within the margin, beyond noise*;
* beyond both: *not reproduced*;
* if the paper does not say how many runs or architectures it has averaged, its standard error is
  unknown: within the margin *reproduced*, *noise unknown*; beyond twice the published spread and
  our own error together, which even a single observation would rarely exceed, *not reproduced*;
  between the two *not comparable*;
* a reason against comparing (other hardware, a row that was not re-run, stand-in images) takes
  precedence: *not comparable*;
* an absent input: *missing*;
* the same quantity with another number of images in a mini-batch, or with one draw of the scores
  for all runs of a search where the paper draws them anew: the verdict by this rule, in both
  directions, with the setting in its words (*reproduced at batch 32* or *not reproduced at batch
  32*).
  It holds for that setting alone. An absolute score grows with the mini-batch: *not comparable*.

A rule that every number passes would be useless. So each table reports its power: the measured
number of every row is compared with every other row of its column whose printed number differs by
more than their standard errors, and the table counts how many of these wrong numbers would have
passed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from trainfree.analysis.papers.margins import CORRELATIONS, published_error
from trainfree.analysis.papers.protocol import Setting
from trainfree.analysis.published import Cell
from trainfree.analysis.settings import AnalysisSettings

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_COMPARABLE = "not comparable"
MISSING = "missing"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE, MISSING)
EQUAL = "equal within noise"
CLOSE = "within the margin, beyond noise"
UNKNOWN_NOISE = "within the margin, noise unknown"
ROUNDING = 1e-9  # 0.53 − 0.5 is a little more than 0.03 in binary
RULE = (
    "Verdict: the difference is within two standard errors of it, or within half of the distance "
    "to the nearest other row, at most {percent} percentage points of mean accuracy, {correlation} "
    "of τ or r, {score:.0%} of a score"
)
SETTING_RULE = (
    ". A verdict at another batch size, or with one draw of the scores for all runs, is passed by "
    "the same rule, says so, and speaks of that setting alone"
)


class Verdict(NamedTuple):
    """How a measured number stands to a published one.

    Attributes
    ----------
    word
        One of ``VERDICTS``, and behind it the setting where that is not the paper's.
    tolerance
        The difference that would still do, NaN where there is none.
    grade
        How near a reproduced number is; empty for the others.
    reason
        Why, where the word does not say it.
    """

    word: str
    tolerance: float
    grade: str
    reason: str


def largest_margin(cell: Cell, settings: AnalysisSettings) -> float:
    """Return the margin of a number with no other row near it, in the cell's unit.

    Seconds have none: NaN.
    """
    if cell.unit == "%":
        return settings.margin_percent
    if cell.unit in CORRELATIONS:
        return settings.margin_correlation
    if cell.unit == "nats":
        return settings.margin_score * abs(cell.value)
    return math.nan


def judge(
    cell: Cell,
    measured: float,
    measured_error: float,
    settings: AnalysisSettings,
    *,
    to_next_row: float = math.inf,
    reference_error: float | None = None,
    obstacle: str = "",
    setting: Setting = Setting(),  # noqa: B008  (a tuple of texts)
) -> Verdict:
    """Return the verdict on one cell.

    Parameters
    ----------
    measured, measured_error
        Our number and its standard error (0 where it is exact or a correlation).
    to_next_row
        Distance of the published number to the nearest row that can be told from it, see
        :func:`trainfree.analysis.papers.margins.to_next_row`.
    reference_error
        Standard error of the published number where the measure knows it better than the paper
        says.
    obstacle
        A reason against comparing, or empty.
    setting
        In what the measured number's protocol differs from the paper's.
    """
    largest = largest_margin(cell, settings)
    margin = min(largest, to_next_row / 2)
    error = published_error(cell) if reference_error is None else reference_error
    difference = abs(measured - cell.value) - ROUNDING
    if math.isnan(measured):
        return Verdict(MISSING, math.nan, "", "the measured value is not defined")
    if math.isnan(largest):
        return Verdict(NOT_COMPARABLE, math.nan, "", obstacle or "no margin for this unit")
    if math.isnan(error):
        verdict = _without_error(cell, difference, margin, measured_error)
    else:
        noise = 2 * math.hypot(error, measured_error)
        coarsest = min(settings.coarsest * largest + ROUNDING, to_next_row)
        verdict = _with_error(difference, margin, noise, coarsest)
    if obstacle:
        inside = "within" if difference <= verdict.tolerance else "beyond"
        reason = f"{obstacle} (the difference is {inside} the tolerance)"
        return Verdict(NOT_COMPARABLE, verdict.tolerance, "", reason)
    if setting.words and verdict.word in (REPRODUCED, NOT_REPRODUCED):
        return verdict._replace(
            word=f"{verdict.word} {setting.words}", reason=f"the paper: {setting.paper}"
        )
    return verdict


def plain_word(word: str) -> str:
    """Return the one of ``VERDICTS`` that a verdict is, without the setting it was passed in.

    Any other text is returned as it is.
    """
    fitting = [known for known in VERDICTS if word == known or word.startswith(f"{known} ")]
    return fitting[0] if fitting else word


def _with_error(difference: float, margin: float, noise: float, coarsest: float) -> Verdict:
    tolerance = max(margin, noise)
    if difference > tolerance:
        return Verdict(NOT_REPRODUCED, tolerance, "", "")
    if noise > coarsest:
        reason = "too few observations to tell, though it agrees"
        return Verdict(NOT_COMPARABLE, tolerance, "", reason)
    return Verdict(REPRODUCED, tolerance, EQUAL if difference <= noise else CLOSE, "")


def _without_error(cell: Cell, difference: float, margin: float, measured_error: float) -> Verdict:
    if difference <= margin:
        return Verdict(REPRODUCED, margin, UNKNOWN_NOISE, "")
    own = 0.0 if math.isnan(measured_error) else measured_error
    if cell.spread is not None and difference > 2 * math.hypot(cell.spread, own):
        return Verdict(NOT_REPRODUCED, margin, "", "")
    if 2 * own > margin:
        return Verdict(NOT_COMPARABLE, margin, "", "too few observations to tell")
    return Verdict(NOT_COMPARABLE, margin, "", "the paper does not say how many it has averaged")
