"""The rule by which a measured number reproduces a published one; nobody judges by eye.

A cell has a tolerance: the margin of its unit, or two standard errors of the difference where
that is more. The standard error comes from the published spread and n and from our own runs.

* difference within the tolerance: *reproduced*, unless the tolerance is so wide (more than
  ``coarsest`` margins) that agreement would say nothing; then *not comparable*;
* difference beyond the tolerance: *not reproduced*;
* where the paper does not say how many runs or architectures it has averaged, its standard error
  is unknown: within the margin *reproduced*; beyond twice the published spread and our own error
  together, which even a single observation would hardly show, *not reproduced*; between the two
  *not comparable*;
* a reason against comparing (other hardware, a row that is not re-run, stand-in images) wins:
  *not comparable*;
* an input that is absent: *missing*.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from trainfree.analysis.published import Cell
from trainfree.analysis.settings import AnalysisSettings

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_COMPARABLE = "not comparable"
MISSING = "missing"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE, MISSING)
CORRELATIONS = ("tau", "r")
ROUNDING = 1e-9  # 0.53 − 0.5 is a little more than 0.03 in binary
RULE = (
    "Verdict: the difference is within the margin ({percent} percentage points of mean accuracy; "
    "{correlation} of τ or r; {score:.0%} of a score) or within two standard errors of it"
)


class Verdict(NamedTuple):
    """A word of ``VERDICTS``, the tolerance it rests on (NaN: none) and the reason."""

    word: str
    tolerance: float
    reason: str


def margin_of(cell: Cell, settings: AnalysisSettings) -> float:
    """Return the largest difference that counts as equal, in the cell's unit.

    Seconds have none: NaN.
    """
    if cell.unit == "%":
        return settings.margin_percent
    if cell.unit in CORRELATIONS:
        return settings.margin_correlation
    if cell.unit == "nats":
        return settings.margin_score * abs(cell.value)
    return math.nan


def published_error(cell: Cell) -> float:
    """Return the standard error of a published mean; NaN where the paper does not let us know.

    A correlation is one number without a spread: its sampling error is covered by the margin.
    """
    if cell.unit in CORRELATIONS:
        return 0.0
    if cell.spread is None or cell.n is None:
        return math.nan
    return cell.spread / math.sqrt(cell.n)


def judge(
    cell: Cell,
    measured: float,
    measured_error: float,
    settings: AnalysisSettings,
    *,
    reference_error: float | None = None,
    obstacle: str = "",
) -> Verdict:
    """Return the verdict on one cell.

    Parameters
    ----------
    measured, measured_error
        Our number and its standard error (0 where it is exact or a correlation).
    reference_error
        Standard error of the published number where the measure knows it better than the paper
        says.
    obstacle
        A reason against comparing, or empty.
    """
    margin = margin_of(cell, settings)
    error = published_error(cell) if reference_error is None else reference_error
    difference = abs(measured - cell.value) - ROUNDING
    if math.isnan(measured):
        return Verdict(MISSING, math.nan, "the measured value is not defined")
    if math.isnan(margin):
        return Verdict(NOT_COMPARABLE, math.nan, obstacle or "no margin for this unit")
    if math.isnan(error):
        verdict = _without_error(cell, difference, margin, measured_error)
    else:
        verdict = _with_error(difference, margin, 2 * math.hypot(error, measured_error), settings)
    if obstacle:
        inside = "within" if difference <= verdict.tolerance else "beyond"
        reason = f"{obstacle} (the difference is {inside} the tolerance)"
        return Verdict(NOT_COMPARABLE, verdict.tolerance, reason)
    return verdict


def _with_error(
    difference: float, margin: float, two_errors: float, settings: AnalysisSettings
) -> Verdict:
    tolerance = max(margin, two_errors)
    if difference > tolerance:
        return Verdict(NOT_REPRODUCED, tolerance, "")
    if tolerance > settings.coarsest * margin + ROUNDING:
        return Verdict(NOT_COMPARABLE, tolerance, "too few observations to tell, though it agrees")
    return Verdict(REPRODUCED, tolerance, "")


def _without_error(cell: Cell, difference: float, margin: float, measured_error: float) -> Verdict:
    if difference <= margin:
        return Verdict(REPRODUCED, margin, "")
    own = 0.0 if math.isnan(measured_error) else measured_error
    if cell.spread is not None and difference > 2 * math.hypot(cell.spread, own):
        return Verdict(NOT_REPRODUCED, margin, "")
    if 2 * own > margin:
        return Verdict(NOT_COMPARABLE, margin, "too few observations to tell")
    return Verdict(NOT_COMPARABLE, margin, "the paper does not say how many it has averaged")
