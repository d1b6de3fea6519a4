"""Accuracy of ranking against seconds: shared weights, and scores without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from trainfree.analysis.formats import count_of
from trainfree.analysis.inputs import Floats, outcome_title
from trainfree.analysis.origins import files_behind
from trainfree.analysis.studies.weight_sharing_ranking import PROXY, SHARED
from trainfree.errors import DataFileError
from trainfree.report.figures.sharing.told import label_of, look_of, made_from, notes, rows_on
from trainfree.report.style.captions import sentences, span
from trainfree.report.style.colours import INK, MUTED
from trainfree.report.style.labels import label_points
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

WIDTH, HEIGHT = 6.4, 4.2


def plot_sharing_ranking(table: Path, dataset: str, output_stem: Path) -> None:
    """Draw Kendall's tau with trained accuracy against the seconds that a ranking took.

    Parameters
    ----------
    table
        The table ``weight_sharing_ranking`` (CSV).
    dataset
        The image set.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the table is missing or damaged, or has no row on the data set that can be drawn.
    """
    every = rows_on("weight_sharing_ranking", table, dataset)
    every = every.assign(label=label_of(every, "ranker"))
    rows = every[(every["seconds"] > 0) & every["kendall"].notna()]
    if rows.empty:
        raise DataFileError(
            f"{table}: no row on {dataset} has both a τ and seconds, so there is nothing to draw; "
            "let the shared weights rank more architectures (weight_sharing.ranked)"
        )
    title = outcome_title(str(rows["outcome"].iloc[0]))
    with figure_style():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        axes.set_title(f"{rows['space'].iloc[0]}, {title}", loc="left", fontsize=8.5)
        _draw(axes, rows)
        handles = [
            Line2D([], [], color=INK, marker="o", linestyle="", label="shared weights"),
            Line2D([], [], color=MUTED, marker="x", linestyle="", label="a proxy, untrained"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
        _label(axes, rows)
        name = f"Accuracy of ranking against seconds: {title}"
        write_figure(figure, output_stem, name, _caption(every, rows, table), files_behind(table))


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    low, high = _bars(rows)
    for place, row in enumerate(rows.to_dict("records")):
        is_proxy = row["kind"] == PROXY
        look = look_of(str(row["ranker"]), 0)
        colour = MUTED if is_proxy else look["color"]
        marker = "x" if is_proxy else look["marker"]
        axes.vlines(row["seconds"], low[place], high[place], color=colour, linewidth=1.1)
        axes.plot(row["seconds"], row["kendall"], color=colour, marker=marker, markersize=5)
    axes.set_xlabel("seconds spent, from nothing to a ranking")
    axes.set_ylabel("Kendall's τ-b with trained accuracy")
    axes.margins(x=0.12, y=0.1)
    rule_lines(axes)


def _bars(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the ends of the intervals; the point itself where there is none."""
    tau = rows["kendall"].to_numpy(dtype=np.float64)
    low, high = (rows[f"kendall_{end}"].to_numpy(dtype=np.float64) for end in ("low", "high"))
    return np.where(np.isnan(low), tau, low), np.where(np.isnan(high), tau, high)


def _label(axes: Axes, rows: pd.DataFrame) -> None:
    x, y = (rows[name].to_numpy(dtype=np.float64) for name in ("seconds", "kendall"))
    label_points(axes, x, y, rows["label"].to_list(), bars=_bars(rows))


def _caption(every: pd.DataFrame, rows: pd.DataFrame, table: Path) -> str:
    shared, proxies = (rows[rows["kind"] == kind] for kind in (SHARED, PROXY))
    left_out = [name for name in every["label"] if name not in set(rows["label"])]
    told = []
    if len(shared):
        told.append(
            f"Shared weights: mean of {span(shared['runs'])} runs; seconds of the search and of "
            f"ranking {span(shared['ranked'])} architectures drawn uniformly."
        )
    if len(proxies):
        judged = " and ".join(dict.fromkeys(proxies["architectures"]))
        told.append(
            f"Proxies: seconds of scoring as many; judged on {span(proxies['ranked'])} "
            f"architectures ({judged})."
        )
    else:
        told.append("The run has no score of a proxy to stand beside.")
    devices = dict.fromkeys(
        f"{device}, {count_of(int(threads), 'thread')}"
        for device, threads in zip(rows["device"], rows["threads"], strict=True)
    )
    return sentences(
        "Kendall's τ-b with trained accuracy; bars are 95 % bootstrap intervals over "
        "architectures.",
        *told,
        f"Measured on {' and '.join(devices)}.",
        f"Not drawn, for want of a τ or of seconds: {', '.join(left_out)}." if left_out else "",
        notes(rows),
        made_from(table),
    )
