"""Proxies on networks that people use: rank correlations beside that of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import data_files, files_behind
from trainfree.analysis.registry import read_rows
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header
from trainfree.report.style.captions import accuracy_note, image_notes, sentences, span
from trainfree.report.style.colours import INK, MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

PANEL_WIDTH, ROW = 3.5, 0.21
SIZE = "params"
MARKS = {
    "spearman": ("o", SERIES[0], "all networks, with its 95 % interval"),
    "given_params": ("D", SERIES[1], "given the number of parameters"),
    "within_families": ("|", SERIES[2], "within families, mean"),
}
"""Marker, colour and meaning of what is drawn of each proxy."""


def plot_zoo(
    table: Path, scores: Sequence[Path], benchmarks: Sequence[Path], output_stem: Path
) -> None:
    """Draw the correlations of each proxy with accuracy, a panel a zoo.

    Parameters
    ----------
    table
        The table of zoos (CSV).
    scores, benchmarks
        The files it was made of.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the table has no row.
    """
    rows = read_rows("zoo", table)
    zoos = set(rows["space"])
    attributes = [read_header(path, "scores")[0] for path in scores]
    trained = [read_header(path, "benchmark")[0] for path in benchmarks]
    attributes, trained = (
        [found for found in files if found.get("space") in zoos] for files in (attributes, trained)
    )
    if rows.empty:
        raise DataFileError(f"{table}: has no rows, so there is nothing to draw; make it again")
    panels = {str(name): part for name, part in rows.groupby("space", sort=False)}
    longest = max(map(len, panels.values()))
    with figure_style():
        figure = new_figure(PANEL_WIDTH * len(panels) + 0.3, 1.5 + ROW * longest)
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (name, part) in zip(grid, panels.items(), strict=True):
            _draw(axes, part.sort_values("spearman", na_position="first"), longest)
            title = outcome_title(str(part["target"].iloc[0])).partition(",")[0]
            axes.set_title(f"{name}\n{title}, n = {span(part['n'])}", loc="left", fontsize=8.5)
        handles = [
            Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=5, label=text)
            for marker, colour, text in MARKS.values()
        ]
        line = Line2D([], [], color=MUTED, linestyle=(0, (4, 2)), label="ρ of the parameters")
        figure.legend(handles=[*handles, line], loc="outside upper left", ncols=min(2, len(panels)))
        title = "Proxies on networks that people use"
        behind = (*data_files([*attributes, *trained]), *files_behind(table))
        caption = _caption(rows, attributes, trained)
        write_figure(figure, output_stem, title, caption, behind, apart="setting")


def _draw(axes: Axes, rows: pd.DataFrame, longest: int) -> None:
    places = np.arange(len(rows)) + longest - len(rows)
    of_size = rows.loc[rows["proxy"] == SIZE, "spearman"]
    if of_size.notna().any():
        axes.axvline(float(of_size.iloc[0]), color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    low, high = (rows[f"spearman{end}"].to_numpy(dtype=float) for end in ("_low", "_high"))
    axes.hlines(places, low, high, color=SERIES[0], linewidth=1.1)
    for column, (marker, colour, _) in MARKS.items():
        axes.plot(
            rows[column].to_numpy(dtype=float),
            places,
            linestyle="none",
            marker=marker,
            color=colour,
            markersize=9 if marker == "|" else 4,
            markeredgewidth=1.8 if marker == "|" else 0.8,
        )
    axes.set_ylim(-0.6, longest - 0.4)
    axes.set_yticks(places, rows["proxy"].to_list(), fontsize=7.5, color=INK)
    axes.tick_params(left=False)
    axes.set_xlim(-1.02, 1.02)
    rule_lines(axes)
    axes.set_xlabel("Spearman's ρ with accuracy")


def _caption(
    rows: pd.DataFrame,
    attributes: Sequence[dict[str, object]],
    trained: Sequence[dict[str, object]],
) -> str:
    lost = rows[rows["without_score"] != ""]
    settings = sorted({str(found["setting"]) for found in attributes})
    return sentences(
        "Spearman's ρ of score and published accuracy: over all networks of a zoo, with the 95 % "
        f"percentile interval of {span(rows['resamples'])} bootstrap resamples of the networks; "
        "given the number of parameters; and within families of at least four, the mean over "
        f"{span(rows['families'])} of them.",
        "The networks differ in their training as well as in their architecture.",
        f"Settings {', '.join(settings)}.",
        f"{', '.join(dict.fromkeys(lost['proxy']))}: without a score of some networks; the table "
        "says of how many, and why."
        if len(lost)
        else "",
        image_notes(attributes),
        *dict.fromkeys(map(accuracy_note, trained)),
    )
