"""Accuracy of ranking against the number of trainings; each proxy, which needs none, is a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import data_files, files_behind
from trainfree.analysis.registry import read_rows
from trainfree.analysis.settings import FEATURE_SETS
from trainfree.analysis.studies.learned import alone, curve
from trainfree.analysis.tables import rows_of_setting
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header
from trainfree.report.style.captions import accuracy_note, image_notes, sentences, span
from trainfree.report.style.colours import MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure
from trainfree.report.style.side_labels import label_lines

WIDTH, LEAST_HEIGHT, ROW = 6.6, 3.6, 0.135
MARKERS = ("o", "s", "D")
ASIDE = 0.035
"""Curves stand a little beside each other, as a share of a factor of ten of trainings."""


def plot_learned(table: Path, scores: Path, benchmark: Path, output_stem: Path) -> None:
    """Draw Kendall's tau against the number of trainings, of the headline accuracy.

    Parameters
    ----------
    table
        The table ``learned`` (CSV).
    scores, benchmark
        Files of one data set that it was made of.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the table has no row of accuracy to draw.
    """
    attributes = read_header(scores, "scores")[0]
    trained = read_header(benchmark, "benchmark")[0]
    rows = rows_of_setting(read_rows("learned", table), attributes, table)
    rows = rows[rows["kind"] == "accuracy"]
    if not any(len(curve(rows, features)) for features in FEATURE_SETS):
        raise DataFileError(
            f"{table}: has no forest that learned accuracy on {attributes['dataset']}, so there "
            "is nothing to draw; add accuracy to learned.targets, or choose fewer trainings"
        )
    lines = alone(rows)
    with figure_style():
        figure = new_figure(WIDTH, max(LEAST_HEIGHT, 1.4 + ROW * len(lines)))
        axes = figure.subplots()
        _draw_curves(axes, rows)
        _draw_proxies(axes, lines)
        title = outcome_title(str(rows["outcome"].iloc[0]))
        axes.set_title(f"{attributes['space']}, {title}", loc="left", fontsize=8.5)
        figure.legend(
            loc="outside upper left",
            ncols=len(FEATURE_SETS) + 1,
            title="a random forest on (number of features)",
            title_fontsize=8,
            alignment="left",
        )
        taus = lines["kendall"].to_list()
        names = [
            f"{name}  {number(tau)}" for name, tau in zip(lines["features"], taus, strict=True)
        ]
        label_lines(axes, taus, names, size=6.5)
        behind = (*data_files([attributes, trained]), *files_behind(table))
        name = f"Accuracy of ranking against number of trainings: {title}"
        write_figure(figure, output_stem, name, _caption(rows, attributes, trained), behind)


def _draw_curves(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set_xscale("log")
    for place, features in enumerate(FEATURE_SETS):
        own = curve(rows, features)
        if own.empty:
            continue
        x = own["trainings"].to_numpy(dtype=float) * 10 ** (ASIDE * (place - 1))
        tau, low, high = (
            own[f"kendall{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high")
        )
        width = int(own["width"].iloc[0])
        axes.vlines(x, low, high, color=SERIES[place], linewidth=1.1)
        axes.plot(
            x,
            tau,
            color=SERIES[place],
            marker=MARKERS[place],
            markersize=4.5,
            label=f"{features} ({width})",
        )
    trainings = sorted({int(value) for value in rows.loc[rows["trainings"] > 0, "trainings"]})
    axes.set_xticks(trainings, [number(value, 0) for value in trainings])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(trainings[0] / 1.4, trainings[-1] * 1.4)
    axes.set_xlabel("trained architectures that the forest learned from")
    axes.set_ylabel("Kendall's τ-b with trained accuracy")
    rule_lines(axes)
    axes.grid(visible=False, axis="x")


def _draw_proxies(axes: Axes, lines: pd.DataFrame) -> None:
    taus = lines["kendall"].to_numpy(dtype=float)
    for place, tau in enumerate(taus):
        label = "a proxy alone, untrained" if place == 0 else None
        axes.axhline(
            float(tau), color=MUTED, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1, label=label
        )
    ends = [*axes.get_ylim(), *taus]
    low, high = min(ends), max(ends)
    axes.set_ylim(low - 0.02, min(high + 0.02, 1.02) if high <= 1 else high)


def _caption(rows: pd.DataFrame, attributes: Mapping[Any, Any], trained: Mapping[Any, Any]) -> str:
    forests = rows[rows["trainings"] > 0]
    missing = forests[forests["kendall"].isna()]
    sizes = sorted({int(value) for value in missing["trainings"]})
    part = str(rows["subset"].iloc[0])
    return sentences(
        "Kendall's τ-b of trained accuracy and of what a random forest predicts, of the "
        f"architectures that it was not trained on: mean of {span(forests['draws'])} draws of the "
        "trained architectures, and where 95 % of the draws are.",
        "Dashed: each proxy alone, which needs no training, of all architectures.",
        f"n is {span(forests['n'])} for forests, {span(rows.loc[rows['trainings'] == 0, 'n'])} "
        "for proxies.",
        f"Part of the space: {part}." if part else "",
        f"Not made, for want of architectures: {', '.join(map(str, sizes))} trainings."
        if sizes
        else "",
        "Proxies that give all architectures the same score have no line."
        if np.isnan(rows.loc[rows["trainings"] == 0, "kendall"]).any()
        else "",
        f"Setting {attributes['setting']}, root seed {attributes.get('seed', '?')}.",
        image_notes([attributes]),
        accuracy_note(trained),
    )
