"""What the rows of a published table are apart, as far as its own errors can tell."""

from __future__ import annotations

import math
from collections.abc import Iterable

from trainfree.analysis.published import Cell

CORRELATIONS = ("tau", "rho", "r", "ndcg")
"""Units of correlations, and of what is between 0 and 1 like them."""


def published_error(cell: Cell) -> float:
    """Return the standard error of a published mean; NaN where the paper does not let us know.

    A correlation without a spread is one number: its sampling error is covered by the margin.
    """
    if cell.unit in CORRELATIONS and (cell.spread is None or cell.n is None):
        return 0.0
    if cell.spread is None or cell.n is None:
        return math.nan
    return cell.spread / math.sqrt(cell.n)


def largest_error(cell: Cell) -> float:
    """Return a standard error that a published mean does not exceed.

    Where the paper does not say how many it has averaged, it is that of one observation; where it
    prints no spread either, 0.
    """
    error = published_error(cell)
    if not math.isnan(error):
        return error
    return cell.spread or 0.0


def to_next_row(cell: Cell, cells: Iterable[Cell]) -> float:
    """Return the distance to the nearest row of the column that can be told from this one.

    Parameters
    ----------
    cells
        Those of the table, the cell itself among them.

    Returns
    -------
    float
        The smallest difference of printed numbers that is more than two standard errors of it; in
        the cell's unit, infinite where no row is that far.
    """
    differences = (
        (abs(other.value - cell.value), math.hypot(largest_error(cell), largest_error(other)))
        for other in cells
        if other.column == cell.column and other.unit == cell.unit and other.row != cell.row
    )
    return min((apart for apart, error in differences if apart > 2 * error), default=math.inf)
