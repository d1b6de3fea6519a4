"""A search for convolutional cells: loss and accuracy by epoch, derived beside random cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trainfree.analysis.formats import count_of
from trainfree.analysis.inputs import floats
from trainfree.analysis.origins import data_files
from trainfree.analysis.studies.enas_convolutional import read_search, told, verdict
from trainfree.report.style.captions import sentences
from trainfree.report.style.colours import MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

if TYPE_CHECKING:
    import xarray as xr

WIDTH, HEIGHT = 7.4, 2.9


def plot_search(search: Path, output_stem: Path) -> None:
    """Draw loss and accuracy of shared weights by epoch, and what networks reach alone.

    Parameters
    ----------
    search
        File of kind "enas_convolutional".
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the file is missing or damaged.
    """
    found = read_search(search)
    with figure_style():
        figure = new_figure(WIDTH, HEIGHT)
        loss, accuracy, alone = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 1.0))
        _loss(loss, found)
        _accuracy(accuracy, found)
        _alone(alone, found)
        title = f"ENAS for convolutional cells on {found.attrs['dataset']}"
        write_figure(figure, output_stem, title, _caption(found), data_files([found.attrs]))


def _loss(axes: Axes, found: xr.Dataset) -> None:
    epochs = floats(found["epoch"])
    axes.plot(epochs, floats(found["weight_loss"]), color=SERIES[0], marker="o", markersize=3)
    chance = np.log(100.0 / float(found.attrs["chance"]))
    axes.axhline(chance, color=MUTED, linestyle="--", linewidth=1.0, label="chance")
    axes.set_ylabel("training loss (nats)")
    _finish(axes)


def _accuracy(axes: Axes, found: xr.Dataset) -> None:
    epochs, sampled = floats(found["epoch"]), floats(found["sampled_accuracy"])
    axes.plot(epochs, floats(found["weight_accuracy"]), color=SERIES[4], label="training")
    axes.plot(
        epochs, sampled.mean(axis=1), color=SERIES[0], marker="o", markersize=3, label="validation"
    )
    axes.fill_between(
        epochs, sampled.min(axis=1), sampled.max(axis=1), color=SERIES[0], alpha=0.18, linewidth=0
    )
    _chance(axes, found)
    axes.set_ylabel("accuracy, shared weights (%)")
    _finish(axes)


def _alone(axes: Axes, found: xr.Dataset) -> None:
    shared, test = floats(found["shared_accuracy"]), floats(found["test_accuracy"])
    axes.scatter(shared[1:], test[1:], color=MUTED, s=18, label="random")
    axes.scatter(shared[:1], test[:1], color=SERIES[1], s=26, marker="D", label="derived")
    axes.axhline(test[1:].mean(), color=MUTED, linewidth=1.0, label="mean of random")
    axes.set_xlabel("accuracy, shared weights (%)")
    axes.set_ylabel("test accuracy, alone (%)")
    axes.legend(fontsize=7)
    rule_lines(axes)


def _chance(axes: Axes, found: xr.Dataset) -> None:
    level = float(found.attrs["chance"])
    axes.axhline(level, color=MUTED, linestyle="--", linewidth=1.0, label="chance")
    axes.set_ylim(bottom=0)


def _finish(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7)
    rule_lines(axes)


def _caption(found: xr.Dataset) -> str:
    pairs = count_of(found.sizes["sample"], "pair")
    return sentences(
        "Left the loss of shared weights by epoch, as trained; in the middle their accuracy: as "
        f"trained, and on a batch of reward images the mean over {pairs} that the controller "
        "samples, with the range; right what networks reach alone against their accuracy with "
        "shared weights.",
        verdict(found) + ".",
        told(found) + ".",
    )
