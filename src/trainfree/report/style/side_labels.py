"""Names of many horizontal lines, in a column beside the axes and clear of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from trainfree.analysis.inputs import Floats
from trainfree.report.style.colours import INK, MUTED


def apart(places: Floats, gap: float) -> Floats:
    """Return places that are at least ``gap`` apart and as near to the given ones as can be.

    Parameters
    ----------
    places
        In ascending order.
    gap
        Smallest distance of two neighbours.

    Returns
    -------
    numpy.ndarray
        In the same order; the sum of squared moves is the smallest that is possible.
    """
    from scipy.optimize import isotonic_regression  # slow to import

    steps = gap * np.arange(len(places))
    if not len(places):
        return places
    return np.asarray(isotonic_regression(places - steps).x + steps, dtype=np.float64)


def label_lines(
    axes: Axes, heights: Sequence[float], names: Sequence[str], *, size: float = 7.0
) -> None:
    """Write names of horizontal lines on the right of the axes, with a thin line to each.

    Set the limits of the axes and the size of the figure before.

    Parameters
    ----------
    heights
        Of the lines, in the units of the axes' data.
    names
        One a line.
    size
        Of the letters, in points.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise TypeError("names are placed in points: the axes must be on a figure")
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height * 72.0 / figure.dpi
    order = np.argsort(np.asarray(heights, dtype=np.float64), kind="stable")
    at = np.asarray(heights, dtype=np.float64)[order]
    gap = 1.25 * size * (high - low) / points
    written = apart(at, gap)
    beside = axes.get_yaxis_transform()
    line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.4}
    line |= {"shrinkA": 0, "relpos": (0, 0.5)}
    for height, place, number in zip(at, written, order.tolist(), strict=True):
        axes.annotate(
            names[number],
            xy=(1.0, float(height)),
            xycoords=beside,
            xytext=(1.07, float(place)),
            textcoords=beside,
            fontsize=size,
            color=INK,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": MUTED,
                "linewidth": 0.4,
                "shrinkA": 0,
                "relpos": (0, 0.5),
            },
        )
