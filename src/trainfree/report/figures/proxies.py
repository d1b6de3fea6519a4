"""Figures of proxies: with each other, with what networks do, what they cost, how they vary.

Each is drawn from the table of the same name; captions say what the scores were computed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import DataFile, data_files, files_behind
from trainfree.analysis.proxies.proxy_outcomes import outcome_name
from trainfree.analysis.proxies.proxy_stability import ARMS
from trainfree.analysis.registry import read_rows
from trainfree.analysis.tables import rows_of_setting
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header
from trainfree.report.style.captions import accuracy_note, image_notes, sentences, span
from trainfree.report.style.colours import GROUND, MUTED, RULE, SERIES
from trainfree.report.style.heat_map import draw_heat_map
from trainfree.report.style.labels import label_points
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

WIDTH = 6.6
ROW = 0.19
NUMBERED = 14
WRAP = 24
Attributes = Mapping[str, Any]


def plot_pairs(scores: Path, pairs: Path, output_stem: Path) -> None:
    """Draw the rank correlations of proxies with each other, alike ones side by side.

    Parameters
    ----------
    scores, pairs
        A merged scores file, and the table of pairs that its proxies stand in.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or fewer than two proxies have a correlation.
    """
    attributes = _attributes(scores, "scores")
    table = rows_of_setting(read_rows("proxy_pairs", pairs), attributes, pairs).set_index("proxy")
    square = table[[str(name) for name in table.index]]
    same = np.isnan(np.diag(square.to_numpy(dtype=float)))
    undefined = [str(name) for name in square.columns[same]]
    square = square.drop(index=undefined, columns=undefined)
    if len(square) < 2:
        raise DataFileError(f"{pairs}: expected at least 2 proxies that are not constant")
    names = clustered(square)
    values = square.loc[names, names].to_numpy(dtype=float)
    with figure_style():
        side = 1.9 + max(ROW * len(names), 1.6)
        figure = new_figure(side + 0.5, side)
        draw_heat_map(figure, values, names, names, numbered=len(names) <= NUMBERED)
        caption = sentences(
            f"Spearman's ρ of the scores of {number(float(attributes['n']), 0)} architectures, "
            "proxies ordered by average-linkage clustering of 1 − ρ.",
            f"The same for all architectures: {', '.join(undefined)}." if undefined else "",
            *_origin(attributes),
        )
        title = f"Proxies with each other: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(pairs, attributes))


def plot_outcomes(scores: Path, benchmark: Path, outcomes: Path, output_stem: Path) -> None:
    """Draw the rank correlation of each proxy with each outcome.

    Parameters
    ----------
    scores, benchmark, outcomes
        A merged scores file, the benchmark, and the table of outcomes.
    output_stem
        Path without suffix.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    attributes = _attributes(scores, "scores")
    rows = rows_of_setting(read_rows("proxy_outcomes", outcomes), attributes, outcomes)
    named = zip(rows["kind"], rows["outcome"], strict=True)
    rows = rows.assign(named=["\n".join(wrap(outcome_name(*names), WRAP)) for names in named])
    columns = list(dict.fromkeys(rows["named"]))
    square = pd.DataFrame(
        {name: rows[rows["named"] == name].set_index("proxy")["spearman"] for name in columns}
    )
    square = square.sort_values(columns[0], ascending=False, kind="stable")
    names = [str(name) for name in square.index]
    counts = sorted(set(rows["n"]))
    with figure_style():
        figure = new_figure(2.2 + 0.38 * len(columns), 1.9 + ROW * len(names))
        draw_heat_map(figure, square.to_numpy(dtype=float), names, columns, numbered=True)
        caption = sentences(
            "Spearman's ρ of score and quantity, proxies ordered by the first column. A high score "
            "is meant to be a good one: a positive ρ with latency or energy says that what scores "
            "high is costly.",
            f"{span(counts)} architectures.",
            *_origin(attributes, benchmark),
        )
        title = f"Proxies with what networks achieve and cost: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(outcomes, attributes, benchmark))


def plot_cost(scores: Path, benchmark: Path, proxies: Path, output_stem: Path) -> None:
    """Draw the rank correlation with accuracy against the seconds a proxy costs alone.

    Parameters
    ----------
    scores, benchmark, proxies
        A merged scores file, the benchmark, and the table of proxies.
    output_stem
        Path without suffix.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or no proxy has both a correlation and a cost.
    """
    attributes = _attributes(scores, "scores")
    rows = rows_of_setting(read_rows("proxies", proxies), attributes, proxies)
    drawn = rows[rows["spearman"].notna() & (rows["seconds_alone"] > 0)]
    if drawn.empty:
        raise DataFileError(f"{proxies}: no proxy has both a correlation and a positive cost")
    left_out = [str(name) for name in rows["proxy"] if name not in set(drawn["proxy"])]
    x, y, low, high = (
        drawn[name].to_numpy(dtype=float)
        for name in ("seconds_alone", "spearman", "spearman_low", "spearman_high")
    )
    with figure_style():
        figure = new_figure(WIDTH, 5.4)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.vlines(x, low, high, color=MUTED, linewidth=0.7, alpha=0.55)
        axes.plot(x, y, "o", markersize=4.5, color=SERIES[0], markeredgecolor=GROUND)
        axes.axhline(0, color=MUTED, linewidth=0.7)
        axes.set_xlim(x.min() / 2.2, x.max() * 2.6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("seconds an architecture, the proxy alone")
        axes.set_ylabel(f"Spearman's ρ with {outcome_title(str(drawn['target'].iloc[0]))}")
        rule_lines(axes)
        label_points(axes, x, y, [str(name) for name in drawn["proxy"]], (low, high))
        caption = sentences(
            "Rank correlation with accuracy and its 95 % bootstrap interval against the mean "
            "scoring time of the proxy alone, shared work included, as measured where the scores "
            f"were made ({attributes.get('device', '?')}, "
            f"threads: {attributes.get('threads', '?')}); {span(drawn['n'])} architectures.",
            f"Without a correlation or a cost: {', '.join(left_out)}." if left_out else "",
            *_origin(attributes, benchmark),
        )
        title = f"What proxies cost and what they tell: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(proxies, attributes, benchmark))


def plot_bias(scores: Path, benchmark: Path, proxies: Path, output_stem: Path) -> None:
    """Draw each proxy's correlation with accuracy before and after that of the size is taken out.

    Parameters
    ----------
    scores, benchmark, proxies
        A merged scores file, the benchmark, and the table of proxies.
    output_stem
        Path without suffix.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or no proxy has a correlation.
    """
    attributes = _attributes(scores, "scores")
    rows = rows_of_setting(read_rows("proxies", proxies), attributes, proxies)
    rows = rows[rows["spearman"].notna()].sort_values("spearman", kind="stable")
    if rows.empty:
        raise DataFileError(f"{proxies}: no proxy has a correlation with accuracy")
    with figure_style():
        figure = new_figure(WIDTH, 1.5 + ROW * len(rows))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1.0])
        places = np.arange(len(rows))
        plain, given = (rows[name].to_numpy(float) for name in ("spearman", _GIVEN))
        left.hlines(places, plain, given, color=RULE, linewidth=2.0)
        left.plot(plain, places, "o", markersize=4, color=MUTED, markerfacecolor="none")
        _with_interval(left, rows, _GIVEN, places, SERIES[0])
        _with_interval(right, rows, "beside_params", places, SERIES[1])
        left.set_yticks(places, [str(name) for name in rows["proxy"]], fontsize=7.5)
        left.set_ylim(-0.7, len(rows) - 0.3)
        left.set_xlabel("Spearman's ρ with accuracy")
        right.set_xlabel("gain in ρ over params")
        for axes in (left, right):
            axes.axvline(0, color=MUTED, linewidth=0.7)
            rule_lines(axes)
        right.tick_params(left=False)
        marks = [
            Line2D([], [], marker="o", linestyle="", color=MUTED, markerfacecolor="none"),
            Line2D([], [], marker="o", linestyle="-", color=SERIES[0], markersize=4),
        ]
        labels = ["as it is", "given the number of parameters"]
        figure.legend(marks, labels, loc="outside upper left", ncols=2)
        caption = sentences(
            f"Correlation with {outcome_title(str(rows['target'].iloc[0]))}: as it is, and partial "
            "given the number of parameters; at the right, what ranking by proxy and parameters "
            "together gains over the parameters alone. Lines are 95 % bootstrap intervals over "
            f"{span(rows['n'])} architectures.",
            *_origin(attributes, benchmark),
        )
        title = f"What proxies know beyond the number of parameters: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(proxies, attributes, benchmark))


def plot_top(scores: Path, benchmark: Path, top: Path, output_stem: Path) -> None:
    """Draw ρ inside the whole and its best parts, and the precision, a line for each proxy.

    Parameters
    ----------
    scores, benchmark, top
        A merged scores file, the benchmark, and the table of the best.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or no proxy has a correlation.
    """
    attributes = _attributes(scores, "scores")
    rows = rows_of_setting(read_rows("top", top), attributes, top)
    rows = rows[rows["spearman"].notna()]
    if rows.empty:
        raise DataFileError(f"{top}: no proxy has a correlation with accuracy")
    shares = sorted(set(rows["share"]), reverse=True)
    whole = rows[rows["share"] == shares[0]].sort_values("spearman", kind="stable")
    names = [str(name) for name in whole["proxy"]]
    with figure_style():
        figure = new_figure(WIDTH, 1.7 + ROW * len(names))
        axes = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1.0])
        for number, share in enumerate(shares):
            part = rows[rows["share"] == share].set_index("proxy").reindex(names)
            shift = 0.22 * (number - (len(shares) - 1) / 2)
            for axis, measure in zip(axes, ("spearman", "precision"), strict=True):
                columns = (part[measure + bound] for bound in ("", "_low", "_high"))
                value, low, high = (column.to_numpy(dtype=float) for column in columns)
                height = np.arange(len(names)) - shift
                axis.hlines(height, low, high, color=SERIES[number], linewidth=0.9)
                label = "all" if share == 1 else f"best {100 * share:g} %"
                shown = label if measure == "spearman" else None
                axis.plot(value, height, "o", markersize=3, color=SERIES[number], label=shown)
        axes[0].set_yticks(np.arange(len(names)), names, fontsize=7.5)
        axes[0].set_ylim(-0.7, len(names) - 0.3)
        axes[0].axvline(0, color=MUTED, linewidth=0.7)
        axes[0].set_xlabel(f"Spearman's ρ with {outcome_title(str(rows['target'].iloc[0]))}")
        axes[1].set_xlabel("precision")
        for axis in axes:
            rule_lines(axis)
        figure.legend(loc="outside upper left", ncols=len(shares))
        caption = sentences(
            "Rank correlation inside the whole and inside its best parts by accuracy; at the "
            "right, which part of as many that the proxy puts first is among them. Lines are "
            f"95 % bootstrap intervals over {span(rows['n'])} architectures.",
            *_origin(attributes, benchmark),
        )
        title = f"Proxies among the best: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(top, attributes, benchmark))


def plot_stability(draws: Path, stability: Path, output_stem: Path) -> None:
    """Draw how much each proxy's scores change with mini-batch, weights and both.

    Parameters
    ----------
    draws
        One of the draws files that the table was made of.
    stability
        The table of stability.
    output_stem
        Path without suffix.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    attributes = _attributes(draws, "draws")
    rows = rows_of_setting(read_rows("proxy_stability", stability), attributes, stability)
    both = rows[rows["arm"] == "both"].set_index("proxy")["mean_spearman"]
    names = [str(name) for name in both.sort_values(kind="stable", na_position="first").index]
    with figure_style():
        figure = new_figure(WIDTH, 1.5 + 1.6 * ROW * len(names))
        left, right = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(names))
        for arm, colour, shift in zip(ARMS, SERIES, (0.27, 0.0, -0.27), strict=False):
            chosen = rows[rows["arm"] == arm].set_index("proxy").loc[names]
            ratio = chosen["rank_spread_ratio"].to_numpy(dtype=float)
            left.barh(places + shift, ratio, height=0.25, color=colour, label=arm)
            rho = chosen["mean_spearman"].to_numpy(dtype=float)
            right.plot(rho, places + shift, "o", markersize=3.2, color=colour)
        left.set_yticks(places, names, fontsize=7.5)
        left.set_ylim(-0.7, len(names) - 0.3)
        left.set_xlabel("spread of ranks between draws\nover that between architectures")
        right.set_xlabel("mean Spearman's ρ\nof two draws")
        for axes in (left, right):
            rule_lines(axes)
            axes.grid(visible=False, axis="y")
        right.tick_params(left=False)
        legend = figure.legend(
            *left.get_legend_handles_labels(),
            loc="outside upper left",
            ncols=3,
            title="drawn anew",
            alignment="left",
        )
        legend.get_title().set_color(MUTED)
        caption = sentences(
            f"{span(rows['n'])} architectures under {span(rows['draws'])} draws of the "
            "mini-batch, of the weights, and of both, root seeds from "
            f"{attributes.get('seed', '?')} on. What is not drawn is undefined: the same for all "
            "architectures.",
            *_origin(attributes),
        )
        title = f"How stable the scores are: {_place(attributes)}"
        write_figure(figure, output_stem, title, caption, _behind(stability, attributes))


_GIVEN = "spearman_given_params"


def clustered(square: pd.DataFrame) -> list[str]:
    """Return the names in the order of an average-linkage clustering of 1 − ρ."""
    distance = 1.0 - square.fillna(0.0).to_numpy(dtype=float)
    distance = np.clip((distance + distance.T) / 2, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [str(square.index[place]) for place in leaves_list(tree)]


def _with_interval(axes: Axes, rows: pd.DataFrame, name: str, places: Any, colour: str) -> None:
    low, high = (rows[f"{name}_{bound}"].to_numpy(dtype=float) for bound in ("low", "high"))
    axes.hlines(places, low, high, color=colour, linewidth=1.1)
    axes.plot(rows[name].to_numpy(dtype=float), places, "o", markersize=4, color=colour)


def _attributes(path: Path, kind: str) -> Attributes:
    """Return a file's attributes, and as ``n`` how many architectures it has."""
    attributes, sizes = read_header(path, kind)
    return {**attributes, "n": sizes["arch"]}


def _behind(
    table: Path, attributes: Attributes, benchmark: Path | None = None
) -> tuple[DataFile, ...]:
    """Return the data files behind a figure: those of its table, and those of its caption."""
    trained = [] if benchmark is None else [read_header(benchmark, "benchmark")[0]]
    return (*data_files([attributes, *trained]), *files_behind(table))


def _place(attributes: Attributes) -> str:
    return ", ".join(str(attributes[key]) for key in ("space", "dataset", "setting"))


def _origin(attributes: Attributes, benchmark: Path | None = None) -> list[str]:
    """Return sentences on seed, images and accuracies, with what stands in for others named."""
    told = [
        f"Setting {attributes['setting']}, root seed {attributes.get('seed', '?')}.",
        image_notes([attributes]),
    ]
    if benchmark is not None:
        told.append(accuracy_note(read_header(benchmark, "benchmark")[0]))
    return told
