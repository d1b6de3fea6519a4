"""Kendall's tau of every stored proxy, a panel a data set (NASWOT paper, Figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import data_files, files_behind
from trainfree.analysis.registry import read_rows
from trainfree.analysis.tables import rows_of_setting
from trainfree.files.storage import read_header
from trainfree.report.style.captions import accuracy_note, image_notes, sentences, span
from trainfree.report.style.colours import INK, MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

PANEL_WIDTH, ROW = 2.6, 0.2
CONTROLS = ("params", "flops", "relu_units", "l2_norm", "constant", "random")
"""What stands beside proxies to see whether these know more: sizes, and what knows nothing."""

CONTROL_COLOUR = "#8f99a3"


def plot_tau(
    correlations: Path, scores: Sequence[Path], benchmark: Path, output_stem: Path
) -> None:
    """Draw tau-b of every proxy with the headline accuracy, as bars with 95 % intervals.

    Parameters
    ----------
    correlations
        The table of correlations (CSV).
    scores, benchmark
        The files it was made of: one panel a scores file.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the table has no row of a scores file.
    """
    attributes = [read_header(path, "scores")[0] for path in scores]
    trained = read_header(benchmark, "benchmark")[0]
    settings = sorted({str(found["setting"]) for found in attributes})
    seeds = sorted({str(found.get("seed", "?")) for found in attributes})
    table = read_rows("correlations", correlations)
    panels = [_rows(table, found, correlations) for found in attributes]
    longest = max(len(rows) for rows in panels)
    every = pd.concat(panels)
    with figure_style():
        figure = new_figure(PANEL_WIDTH * len(panels) + 0.4, 1.25 + ROW * longest)
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, rows, found in zip(grid, panels, attributes, strict=True):
            _draw(axes, rows, longest)
            stand_in = bool(found.get("stand_in", 0))
            axes.set_title(_title(rows, stand_in=stand_in), loc="left", fontsize=8.5)
        handles = [
            Patch(color=SERIES[0], label="proxy"),
            Patch(color=CONTROL_COLOUR, hatch="////", label="control: knows only size, or nothing"),
        ]
        for handle in handles[1:]:
            handle.set_edgecolor("white")
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
        caption = sentences(
            "Kendall's τ-b of score and trained accuracy over all n architectures that have both, "
            "scores of −∞ lowest; the whiskers are 95 % percentile intervals of "
            f"{span(every['resamples'])} bootstrap resamples of the architectures.",
            f"n is {span(every['n'])}.",
            "Proxies without τ give all architectures the same score."
            if any(rows["kendall"].isna().any() for rows in panels)
            else "",
            f"Settings {', '.join(settings)}, root seed {', '.join(seeds)}.",
            image_notes(attributes),
            accuracy_note(trained),
        )
        title = f"Kendall's τ of the proxies: {attributes[0]['space']}"
        behind = (*data_files([*attributes, trained]), *files_behind(correlations))
        write_figure(figure, output_stem, title, caption, behind)


def _rows(table: pd.DataFrame, attributes: dict[str, object], origin: Path) -> pd.DataFrame:
    """Return the rows of a scores file's headline accuracy, the lowest tau first."""
    chosen = rows_of_setting(table[table["rows"] == "all"], attributes, origin)
    chosen = chosen[chosen["target"] == chosen["target"].iloc[0]]
    ordered: pd.DataFrame = chosen.sort_values("kendall", kind="stable", na_position="first")
    return ordered


def _draw(axes: Axes, rows: pd.DataFrame, longest: int) -> None:
    places = np.arange(len(rows)) + longest - len(rows)
    names = rows["proxy"].to_list()
    tau, low, high = (
        rows[name].to_numpy(dtype=float) for name in ("kendall", "kendall_low", "kendall_high")
    )
    control = [name in CONTROLS for name in names]
    bars = axes.barh(places, np.nan_to_num(tau), height=0.72)
    for bar, is_control in zip(bars, control, strict=True):
        bar.set_facecolor(CONTROL_COLOUR if is_control else SERIES[0])
        if is_control:
            bar.set_hatch("////")
            bar.set_edgecolor("white")
            bar.set_linewidth(0)
    axes.hlines(places, low, high, color=INK, linewidth=1.3)
    ends = np.nanmax([np.nan_to_num(high), np.nan_to_num(tau), np.zeros(len(tau))], axis=0)
    for place, value, end in zip(places, tau, ends, strict=True):
        axes.text(
            end + 0.015, float(place), number(float(value), 3), va="center", fontsize=7, color=INK
        )
    least = min(0.0, float(np.nanmin([0.0, *low, *tau])))
    axes.set_xlim(least - (0.03 if least else 0.0), max(float(ends.max()), 0.1) * 1.0 + 0.16)
    axes.set_ylim(-0.6, longest - 0.4)
    axes.set_yticks(places, names, fontsize=7.5)
    axes.tick_params(left=False)
    rule_lines(axes)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel("Kendall's τ-b")


def _title(rows: pd.DataFrame, *, stand_in: bool) -> str:
    name, _, epochs = outcome_title(str(rows["target"].iloc[0])).partition(", ")
    notes = [*([epochs] if epochs else []), *(["stand-in images"] if stand_in else [])]
    return "\n".join([name, ", ".join(notes)])
