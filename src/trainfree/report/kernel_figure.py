"""Kernels of a row of architectures in the order of their accuracy (NASWOT paper, Figure 1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from trainfree.analysis.ablation_table import study_note
from trainfree.analysis.inputs import Floats, floats, outcome_title
from trainfree.analysis.tables import number
from trainfree.errors import DataFileError
from trainfree.report.captions import sentences
from trainfree.report.style import INK, figure_style, new_figure, write_figure
from trainfree.storage import read_dataset

COLUMNS, PANEL = 5, 1.35
SCALE = "cividis"  # even in lightness, for the colour-blind too


def plot_kernels(kernels: Path, output_stem: Path) -> None:
    """Draw each kernel divided by its diagonal, all on one colour scale, the worst first.

    Parameters
    ----------
    kernels
        File of kind "kernels".
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the file is missing or damaged, or holds no architecture.
    """
    found = read_dataset(kernels, "kernels")
    if not found.sizes["arch"]:
        raise DataFileError(f"{kernels}: expected at least 1 architecture, found none")
    found = found.isel(arch=np.argsort(floats(found["accuracy"]), kind="stable"))
    with figure_style():
        figure = _draw(found)
        place = f"{found.attrs['space']}, {found.attrs['dataset']}"
        caption = sentences(
            f"K_H of a mini-batch of {number(found.sizes['image'], 0)} images, each divided by "
            "its diagonal: the fraction of rectified units on which the codes of two images "
            "agree. All have the same colour scale; the most accurate architecture stands last.",
            "Above each: trained accuracy, and the score s = ln |det K_H|.",
            study_note(found),
        )
        write_figure(figure, output_stem, f"Kernels in the order of accuracy: {place}", caption)


def normalised(kernels: Floats) -> Floats:
    """Return (arch, B, B) kernels as fractions of the number of units, which the diagonals hold."""
    units = np.einsum("abb->ab", kernels)[:, :1, np.newaxis]
    return kernels / np.where(units > 0, units, 1.0)


def _draw(found: xr.Dataset) -> Figure:
    shares = normalised(floats(found["kernel"]))
    lowest = float(np.floor(20 * shares.min()) / 20)
    count = len(shares)
    rows = -(-count // COLUMNS)
    figure = new_figure(PANEL * min(COLUMNS, count) + 0.8, (PANEL + 0.38) * rows + 0.2)
    grid = figure.subplots(rows, min(COLUMNS, count), squeeze=False)
    accuracy, score = floats(found["accuracy"]), floats(found["score"])
    image = None
    for place, axes in enumerate(grid.flat):
        if place >= count:
            axes.set_axis_off()
            continue
        image = axes.imshow(
            shares[place], cmap=SCALE, vmin=min(lowest, 0.95), vmax=1.0, interpolation="nearest"
        )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(
            f"{number(float(accuracy[place]), 2)} %\ns = {number(float(score[place]), 0)}",
            fontsize=8,
        )
        for spine in axes.spines.values():
            spine.set_visible(False)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.7, aspect=22, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.set_label("units that agree", color=INK, fontsize=8)
    figure.supxlabel(
        f"{outcome_title(str(found.attrs['target']))}: accuracy rises from left to right, "
        "row by row",
        fontsize=8,
    )
    return figure
