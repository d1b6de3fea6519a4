"""A proxy's scores of all architectures against their trained accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray
from scipy import ndimage

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import (
    Floats,
    accuracy_of,
    floats,
    outcome_title,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
    value_counts,
)
from trainfree.analysis.origins import data_files
from trainfree.analysis.proxies.correlations import exclusion_reasons
from trainfree.analysis.statistics.rank_statistics import PairedRanks, Statistics
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.report.style.accuracy_axis import accuracy_axis, accuracy_title, error_height
from trainfree.report.style.captions import accuracy_note, image_notes, sentences
from trainfree.report.style.colours import SERIES
from trainfree.report.style.look import DENSITY, figure_style, new_figure, rule_lines, write_figure

WIDTH = 5.6
GOLDEN = (np.sqrt(5) - 1) / 2


def plot_score_accuracy(scores: Path, benchmark: Path, output_stems: Mapping[str, Path]) -> None:
    """Draw proxies' scores of every architecture against its trained accuracy, a figure each.

    Parameters
    ----------
    scores, benchmark
        A merged scores file, and the benchmark of its space.
    output_stems
        Path without suffix, by proxy of the scores file; .svg and .png are written.

    Raises
    ------
    UnknownNameError
        When the scores file has no such proxy.
    DataFileError
        When a file is missing or damaged, or no architecture has both score and accuracy.
    """
    scored, trained = read_scores(scores), read_benchmark(benchmark)
    target = targets(trained, score_settings(scored, scores)["dataset"], benchmark)[0]
    accuracy = accuracy_of(target, scored, scores, benchmark)
    for proxy, stem in output_stems.items():
        if proxy not in texts(scored["proxy"]):
            raise UnknownNameError(f"proxy in {scores}", proxy, texts(scored["proxy"]))
        score, shown, left_out = _usable(scored, proxy, accuracy)
        if not np.isfinite(score).any():
            raise DataFileError(
                f"{scores}: no architecture has a finite {proxy} score and an accuracy in "
                f"{benchmark}; there is nothing to draw"
            )
        with figure_style():
            figure = _scatter(score, shown, proxy, outcome_title(target.name))
            title = f"{proxy} score against accuracy: {outcome_title(target.name)}"
            caption = _scatter_caption(scored, trained, score, left_out)
            write_figure(figure, stem, title, caption, data_files([scored.attrs, trained.attrs]))


def _usable(
    scored: xr.Dataset, proxy: str, accuracy: Floats
) -> tuple[Floats, Floats, NDArray[np.object_]]:
    """Return scores and accuracies that have each other, and why the others are left out."""
    score = floats(scored["score"].sel(proxy=proxy))
    reasons = exclusion_reasons(score, status_names(scored, proxy), accuracy)
    kept = np.asarray(reasons["all"] == "")
    return score[kept], accuracy[kept], reasons["all"][~kept]


def _scatter(score: Floats, accuracy: Floats, proxy: str, outcome: str) -> Figure:
    finite = np.isfinite(score)
    figure = new_figure(WIDTH, 3.9)
    ratios = [0.06, 1.0] if not finite.all() else [1.0]
    panels = figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)[0]
    axes = panels[-1]
    height = error_height(accuracy)
    _draw_density(axes, score[finite], accuracy[finite], height[finite])
    axes.set_xlabel(f"{proxy} score")
    if np.abs(score[finite]).max() >= 1e5:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_ylabel(accuracy_title(outcome))
    accuracy_axis(panels[0], accuracy)
    if not finite.all():
        _draw_infinite(panels[0], accuracy[~finite])
        axes.spines["left"].set_visible(False)
        axes.tick_params(left=False, labelleft=False)
    rule_lines(axes)
    _write_statistics(axes, score, accuracy)
    return figure


def _draw_density(axes: Axes, score: Floats, accuracy: Floats, height: Floats) -> None:
    """Draw every architecture as a point, the crowded ones last and in another colour."""
    counts, x_edges, y_edges = np.histogram2d(score, height, bins=90)
    smooth = ndimage.gaussian_filter(counts, 1.2)
    column = np.clip(np.digitize(score, x_edges) - 1, 0, 89)
    row = np.clip(np.digitize(height, y_edges) - 1, 0, 89)
    density = np.sqrt(smooth[column, row])
    order = np.argsort(density, kind="stable")
    size = 3.2 if len(score) > 3000 else 9.0
    axes.scatter(
        score[order],
        accuracy[order],
        c=density[order],
        cmap=DENSITY,
        s=size,
        linewidths=0,
        rasterized=True,
    )


def _draw_infinite(axes: Axes, accuracy: Floats) -> None:
    """Draw the architectures of score -inf as a strip of points beside the others."""
    spread = (np.arange(len(accuracy)) * GOLDEN) % 1.0
    axes.scatter(spread, accuracy, s=6, color=SERIES[1], linewidths=0, alpha=0.6, rasterized=True)
    axes.set_xlim(-0.4, 1.4)
    axes.set_xticks([0.5], [f"−∞\n({number(len(accuracy), 0)})"])
    axes.tick_params(bottom=False)


def _write_statistics(axes: Axes, score: Floats, accuracy: Floats) -> None:
    finite = np.isfinite(score)
    lines = [_statistics_line(PairedRanks(score[finite], accuracy[finite]), int(finite.sum()), "")]
    if not finite.all():
        both = PairedRanks(score, accuracy)
        lines.append(_statistics_line(both, len(score), ", −∞ lowest"))
    axes.set_title("\n".join(lines), loc="left", fontsize=8.5)


def _statistics_line(pairs: PairedRanks, n: int, note: str) -> str:
    found: Statistics = pairs.statistics()
    return (
        f"τ = {number(found.kendall, 3)}  ρ = {number(found.spearman, 3)}  "
        f"(n = {number(n, 0)}{note})"
    )


def _scatter_caption(
    scored: xr.Dataset, trained: xr.Dataset, score: Floats, left_out: NDArray[np.object_]
) -> str:
    infinite = int((~np.isfinite(score)).sum())
    settings = scored.attrs
    excluded = value_counts(left_out.astype(np.str_))
    return sentences(
        f"Each point is one of {number(len(score), 0)} architectures of {settings['space']}; "
        "colour shows how crowded the place is.",
        "The accuracy axis is linear in the logarithm of the error.",
        f"{number(infinite, 0)} architectures with score −∞ are the strip on the left."
        if infinite
        else "",
        f"Left out: {excluded}." if excluded else "",
        f"τ is Kendall's τ-b, ρ Spearman's. Setting {settings['setting']}, "
        f"seed {settings.get('seed', '?')}.",
        image_notes([settings]),
        accuracy_note(trained.attrs),
    )
