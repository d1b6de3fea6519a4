"""What weight sharing would answer after each epoch: its worth, its skip connections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import files_behind
from trainfree.errors import DataFileError
from trainfree.report.figures.sharing.told import label_of, look_of, made_from, notes, rows_on
from trainfree.report.style.accuracy_axis import accuracy_axis
from trainfree.report.style.captions import sentences, span
from trainfree.report.style.colours import MUTED
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

WIDTH, HEIGHT = 6.0, 6.6
MEANS = ["trained_accuracy", "skip_connections", "validation_accuracy"]
EDGES = 6
MOST_MARKED = 25
"""Epochs up to which each has a marker."""


def plot_sharing_epochs(table: Path, dataset: str, output_stem: Path) -> None:
    """Draw three panels over epochs, a line a method: mean over its runs.

    Parameters
    ----------
    table
        The table ``weight_sharing_epochs`` (CSV).
    dataset
        The image set.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the table is missing or damaged, or has no row on the data set that can be drawn.
    """
    rows = rows_on("weight_sharing_epochs", table, dataset)
    if rows["trained_accuracy"].isna().all():
        raise DataFileError(
            f"{table}: no choice on {dataset} has a trained accuracy, so there is nothing to draw; "
            "name a benchmark that has these architectures"
        )
    rows = rows.assign(label=label_of(rows, "method"))
    title = outcome_title(str(rows["outcome"].iloc[0]))
    with figure_style():
        figure = _figure(rows, title)
        name = f"What shared weights choose, epoch by epoch: {title}"
        caption = sentences(
            f"Mean over {_runs(rows)} runs of each method after every epoch: what its choice "
            "reaches when it is trained alone, how many of the choice's six edges are skip "
            "connections, and how many images the shared weights get right in validation.",
            notes(rows),
            made_from(table),
        )
        write_figure(figure, output_stem, name, caption, files_behind(table))


def means_by_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means over runs by epoch, for the rows of one method and setting."""
    means: pd.DataFrame = rows.groupby("epoch")[MEANS].mean()
    return means


def _runs(rows: pd.DataFrame) -> str:
    return span(rows.groupby("label")["run"].nunique())


def _figure(rows: pd.DataFrame, title: str) -> Figure:
    figure = new_figure(WIDTH, HEIGHT)
    above, middle, below = figure.subplots(3, 1, sharex=True)
    settings: dict[str, int] = {}
    heights = []
    for label in dict.fromkeys(rows["label"]):
        own = rows[rows["label"] == label]
        method = str(own["method"].iloc[0])
        look = look_of(method, settings.get(method, 0))
        settings[method] = settings.get(method, 0) + 1
        means = means_by_epoch(own)
        if len(means) > MOST_MARKED:
            look["marker"] = ""
        for axes, name in zip((above, middle, below), MEANS, strict=True):
            axes.plot(means.index, means[name], **look, markersize=3.5, linewidth=1.3, label=label)
        heights.append(means["trained_accuracy"].to_numpy(dtype=np.float64))
    for chance in sorted(set(rows["chance"])):
        below.axhline(chance, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        beside, small = below.get_yaxis_transform(), {"fontsize": 7, "color": MUTED}
        below.text(0.995, chance, "chance", transform=beside, va="bottom", ha="right", **small)
    accuracy_axis(above, np.concatenate(heights))
    above.set_ylabel(f"choice trained alone (%),\n{title}", fontsize=7.5)
    middle.set_ylabel("skip connections\nin the choice", fontsize=7.5)
    middle.set_ylim(-0.25, EDGES + 0.25)
    middle.set_yticks(range(EDGES + 1))
    below.set_ylabel("right in validation (%),\nshared weights", fontsize=7.5)
    below.set_xlabel("epochs")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (above, middle, below):
        rule_lines(axes)
    handles, labels = above.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(6, len(labels)))
    return figure
