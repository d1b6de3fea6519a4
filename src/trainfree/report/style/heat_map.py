"""Maps of rank correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainfree.analysis.formats import number
from trainfree.report.style.colours import INK

DIVERGING = "RdBu_r"  # ColorBrewer's, which the colour-blind can read
UNDEFINED = "#c9c9c9"
ON_LIGHT, ON_DARK = "#111111", "#ffffff"  # not the theme's: the cells keep their colours
Floats = NDArray[np.float64]


def draw_heat_map(
    figure: Figure, values: Floats, rows: Sequence[str], columns: Sequence[str], *, numbered: bool
) -> Axes:
    """Draw Spearman's ρ as a map of colours, with a bar that explains them.

    Parameters
    ----------
    values
        (row, column), NaN where it is not defined.
    rows, columns
        Their names.
    numbered
        Whether each cell says its number.
    """
    axes = figure.subplots()
    axes.set_facecolor(UNDEFINED)
    shown = np.ma.masked_invalid(values)
    image = axes.imshow(
        shown, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
    )
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if numbered:
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else number(float(value), 2).replace("0.", ".", 1)
            colour = ON_DARK if abs(value) > 0.65 else ON_LIGHT
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_label("Spearman's ρ", color=INK, fontsize=7.5)
    return axes
