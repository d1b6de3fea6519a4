"""Accuracies as figures show them: linear in the logarithm of the error, ticks at round ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from trainfree.analysis.inputs import Floats, metric_of_title

TICKS = (
    *(0, 10, 20, 30, 35, 38, 40, 42, 44, 46, 50, 55, 60, 65, 68, 70, 72, 75, 80, 85, 88),
    *(90, 91, 92, 93, 94, 95, 96, 97, 98, 99),
)


def error_height(accuracy: Floats) -> Floats:
    """Return where an accuracy in percent stands on the axis: minus the log of the error."""
    height: Floats = -np.log10(np.clip(100.0 - np.asarray(accuracy, dtype=float), 0.01, None))
    return height


def accuracy_axis(axes: Axes, accuracy: Floats, apart: float = 0.06) -> None:
    """Scale the axis by the logarithm of the error, with ticks at round accuracies.

    Ticks are at least the fraction ``apart`` of the axis from each other.
    """
    axes.set_yscale("function", functions=(error_height, lambda h: 100.0 - 10.0 ** (-h)))
    low, high = float(np.nanmin(accuracy)), float(np.nanmax(accuracy))
    bottom, top = error_height(np.array([low, high]))
    margin = max(0.04 * (top - bottom), 0.005)
    axes.set_ylim(100.0 - 10.0 ** -(bottom - margin), 100.0 - 10.0 ** -(top + margin))
    ticks: list[float] = []
    for tick in reversed([t for t in TICKS if low - 0.5 <= t <= high + 0.1]):
        height = float(error_height(np.array([tick]))[0])
        above = float(error_height(np.array(ticks[-1:]))[0]) if ticks else np.inf
        if above - height >= apart * (top - bottom):
            ticks.append(tick)
    if len(ticks) < 2:
        ticks = [round(low, 2), round(high, 2)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())


def accuracy_title(outcome: str) -> str:
    """Return the name of an axis of the accuracies of an outcome."""
    name, comma, epochs = outcome.partition(",")
    return f"{name} {metric_of_title(name).label}{comma}{epochs}"
