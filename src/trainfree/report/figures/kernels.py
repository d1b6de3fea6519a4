"""Kernels K_H side by side, from the worst architecture to the best (NASWOT paper, Figure 1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from trainfree.analysis.formats import number, with_spread
from trainfree.analysis.inputs import Floats, floats, outcome_title, score_settings
from trainfree.analysis.origins import data_files
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.report.style.captions import image_notes, sentences, source_note
from trainfree.report.style.colours import INK, MUTED
from trainfree.report.style.look import figure_style, new_figure, write_figure

WIDTH, ROW_HEIGHT, FRAME = 5.6, 1.42, 0.85
MOST_IN_A_ROW = 5
COLOURS = "cividis"  # dark to light in even steps, also for colour-blind readers
SHADES = 48  # more cannot be told apart, and take half as much room again
SHOWN = (1.0, 99.0)  # percentiles of the shares of different images between which colours differ


def plot_kernels(kernels: Path, output_stem: Path) -> None:
    """Draw the kernels of a file, ordered by trained accuracy, on one scale of colours.

    Parameters
    ----------
    kernels
        File of kind "kernels".
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the file is missing, damaged or has no kernel with an accuracy.
    """
    stored = read_dataset(kernels, "kernels")
    settings = score_settings(stored, kernels)
    accuracy = floats(stored["accuracy"])
    order = np.argsort(accuracy, kind="stable")[: int(np.isfinite(accuracy).sum())]
    if not len(order):
        raise DataFileError(f"{kernels}: no architecture has an accuracy; choose others")
    stored = stored.isel(arch=order)
    shares = shares_of_units(floats(stored["kernel"]))
    with figure_style():
        title = f"Kernels by accuracy: {settings['space']}, {_outcome(stored)}"
        figure = _panels(stored, shares)
        caption = _caption(stored, settings["space"], shares)
        write_figure(figure, output_stem, title, caption, data_files([stored.attrs]))


def shares_of_units(kernels: Floats) -> Floats:
    """Return K_H divided by its diagonal, (arch, B, B): the share of units that agree.

    The diagonal is the number of ReLU units, the same for all images.
    """
    units = np.diagonal(kernels, axis1=1, axis2=2).max(axis=1)
    shares: Floats = kernels / np.maximum(units, 1.0)[:, None, None]
    return shares


def _panels(stored: xr.Dataset, shares: Floats) -> Figure:
    count = len(shares)
    rows = -(-count // MOST_IN_A_ROW)
    columns = -(-count // rows)
    figure = new_figure(WIDTH, FRAME + ROW_HEIGHT * rows)
    panels = figure.subplots(rows, columns, squeeze=False)
    limits = colour_limits(shares)
    figure.suptitle(
        f"above each kernel: accuracy ({_outcome(stored)}); below: score s",
        x=0.01,
        ha="left",
        fontsize=8,
        color=MUTED,
    )
    images = [
        _draw_kernel(axes, share, limits, stored.isel(arch=place))
        for place, (axes, share) in enumerate(zip(panels.flat, shares, strict=False))
    ]
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    bar = figure.colorbar(
        images[0],
        ax=panels.ravel().tolist(),
        location="bottom",
        shrink=0.5,
        aspect=36,
        extend="both",
    )
    bar.set_label("share of ReLU units on which two images agree")
    bar.locator = MaxNLocator(5)
    bar.outline.set_visible(False)
    return figure


def colour_limits(shares: Floats) -> tuple[float, float]:
    """Return the shares that get the darkest and the lightest colour.

    The diagonal, which is 1, has no part in them: it would take half of the colours.
    """
    different = shares[:, ~np.eye(shares.shape[1], dtype=bool)]
    low, high = np.percentile(different, SHOWN).tolist() if different.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.01, high)


def _draw_kernel(
    axes: Axes, share: Floats, limits: tuple[float, float], row: xr.Dataset
) -> AxesImage:
    image = axes.imshow(
        share,
        cmap=colormaps[COLOURS].resampled(SHADES),
        vmin=limits[0],
        vmax=limits[1],
        interpolation="none",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"{number(float(row['accuracy']), 1)} %", fontsize=8.5, color=INK, pad=3)
    score = float(row["score"])
    axes.set_xlabel(f"s = {number(score, 0)}", fontsize=8, color=MUTED, labelpad=2)
    return image


def _outcome(stored: xr.Dataset) -> str:
    return outcome_title(str(stored.attrs.get("target", "")))


def _caption(stored: xr.Dataset, space: str, shares: Floats) -> str:
    told = stored.attrs
    images = int(stored.sizes["image"])
    first, last = (_agreement(share) for share in (shares[0], shares[-1]))
    low, high = (number(limit, 2) for limit in colour_limits(shares))
    return sentences(
        f"K_H of {number(len(shares), 0)} architectures of {space}, {told['chosen']}, from worst "
        f"to best. Above each stands its accuracy ({_outcome(stored)}), below it its score "
        "s = ln |det K_H|.",
        f"Each cell is a pair of the {images} images of the mini-batch and shows the share of "
        "ReLU units whose binary codes agree, before any training; all panels have one "
        f"scale, from {low} and less to {high} and more.",
        f"Two different images agree on a share of {first} (mean ± standard deviation over pairs) "
        f"in the first panel, {last} in the last.",
        f"Setting {told['setting']}, seed {told.get('seed', '?')}.",
        image_notes([told]),
        f"Accuracies: {source_note(told.get('accuracy_source'), told.get('accuracy_stand_in'))}",
    )


def _agreement(share: Floats) -> str:
    """Return mean and standard deviation over the pairs of different images."""
    different = share[~np.eye(len(share), dtype=bool)]
    return with_spread(float(different.mean()), float(different.std()), 3)
