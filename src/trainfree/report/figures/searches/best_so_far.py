"""The best architecture so far of every search, against evaluations and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.run_files import search_title
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.randomness import stream
from trainfree.report.figures.searches.search_lines import (
    Searches,
    colours_of,
    dashes_of,
    data_notes,
    files_of,
    guide,
    label_ends,
    muted_title,
    search_notes,
)
from trainfree.report.style.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.style.captions import sentences
from trainfree.report.style.look import Dash, figure_style, new_figure, rule_lines, write_figure

WIDTH = 6.6
POINTS = 60


@dataclass(frozen=True)
class Curve:
    """Mean accuracy of the answer over runs, with its bootstrap interval; NaN where unknown."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


def plot_best_so_far(
    searches: Searches,
    settings: AnalysisSettings,
    output_stem: Path,
    scores: Path | None = None,
    benchmark: Path | None = None,
) -> None:
    """Draw the accuracy of the best architecture so far against evaluations and seconds.

    Parameters
    ----------
    searches
        Of one space and data set.
    settings
        Seed and number of the bootstrap resamples of runs.
    output_stem
        Path without suffix; .svg and .png are written.
    scores, benchmark
        What the searches were made with; the caption tells of their images and accuracies.

    Raises
    ------
    DataFileError
        When a file for the caption is damaged, or a figure cannot be written.
    """
    files, outcome = searches.files, searches.outcome
    curves = [best_so_far(search, settings) for search in files]
    with figure_style():
        figure = _curve_figure(curves, files, outcome)
        caption = sentences(
            "Mean accuracy of the architecture with the best fitness so far; bands are 95 % "
            f"percentile intervals of {number(settings.bootstrap_resamples, 0)} bootstrap "
            "resamples of the runs. A run that has ended keeps its answer.",
            "The accuracy axis is linear in the logarithm of the error.",
            "Seconds are measured scoring and simulated training added up: of searches guided by "
            "a proxy they are measured, of those guided by trained accuracy all but the scoring of "
            "an assisting proxy is simulated. A curve begins when every run has an answer.",
            *search_notes(files),
            *data_notes(scores, benchmark),
        )
        title = f"The best architecture so far: {outcome}"
        behind = files_of(searches, scores, benchmark)
        write_figure(figure, output_stem, title, caption, behind)


def best_so_far(search: xr.Dataset, settings: AnalysisSettings) -> tuple[Curve, Curve | None]:
    """Return the curves over evaluations and over seconds; None where seconds are unknown."""
    accuracy = floats(search["trace_accuracy"].transpose("run", "step"))
    answered = np.take_along_axis(accuracy, _leaders(search), axis=1)
    length = answered.shape[1]
    steps = np.unique(np.geomspace(1, length, POINTS).round().astype(np.int64))
    rng = stream(settings.seed, "bootstrap/runs")
    weights = rng.multinomial(
        len(answered), [1 / len(answered)] * len(answered), settings.bootstrap_resamples
    )
    by_step = _curve(steps.astype(float), answered[:, steps - 1], weights)
    clock = sum(
        floats(search[f"{name}_seconds"].transpose("run", "step"))
        for name in ("scoring", "training")
    )
    ends = np.where(np.isnan(clock), np.inf, clock)
    first, last = ends[:, 0].max(), np.nanmax(clock, initial=0.0)
    if not (np.isfinite(first) and 0 < first <= last):
        return by_step, None
    seconds = np.geomspace(first, last, POINTS)
    seconds[[0, -1]] = first, last
    done = np.array([(ends <= second).sum(axis=1) for second in seconds]).T
    return by_step, _curve(seconds, np.take_along_axis(answered, done - 1, axis=1), weights)


def _curve(x: Floats, answered: Floats, weights: NDArray[np.int64]) -> Curve:
    """Return mean and interval of (run, x) accuracies; ``weights`` are (resample, run) counts."""
    known = ~np.isnan(answered)
    values = np.where(known, answered, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=0) / known.sum(axis=0)
        # einsum, not BLAS, whose threads change the last bits
        drawn = np.einsum("br,rx->bx", weights, values, optimize=False) / np.einsum(
            "br,rx->bx", weights, known.astype(float), optimize=False
        )
    bounds = np.array([percentile_interval(column) for column in drawn.T])
    return Curve(x, mean, bounds[:, 0], bounds[:, 1])


def _leaders(search: xr.Dataset) -> NDArray[np.int64]:
    """Return (run, step) the step of the best fitness so far; the first one among equals.

    A search by a combination, which ranks all anew with each evaluation, says itself which it is.
    """
    if "trace_leader" in search:
        return search["trace_leader"].transpose("run", "step").to_numpy().astype(np.int64)
    rank = _ranks_with_failed_lowest(floats(search["trace_fitness"].transpose("run", "step")))
    if "trace_rung" in search:  # answers come from the highest rung so far
        rung = search["trace_rung"].transpose("run", "step").to_numpy().astype(np.int64)
        rank += rung * (rank.max() + 1)
    best = np.maximum.accumulate(rank, axis=1)
    is_new = np.concatenate([np.ones((len(best), 1), bool), best[:, 1:] > best[:, :-1]], axis=1)
    leaders: NDArray[np.int64] = np.maximum.accumulate(
        np.where(is_new, np.arange(best.shape[1]), 0), axis=1
    )
    return leaders


def _ranks_with_failed_lowest(fitness: Floats) -> NDArray[np.int64]:
    """Return integers in the order of the fitness; NaN (failed) is below -inf."""
    known = ~np.isnan(fitness)
    ranks = np.zeros(fitness.shape, dtype=np.int64)
    ranks[known] = 1 + np.unique(fitness[known], return_inverse=True)[1].reshape(-1)
    return ranks


def _curve_figure(
    curves: Sequence[tuple[Curve, Curve | None]], files: Sequence[xr.Dataset], outcome: str
) -> Figure:
    colours, dashes = colours_of(files), dashes_of(files)
    names = [search_title(search) for search in files]
    timed = [place for place, (_, curve) in enumerate(curves) if curve is not None]
    chosen = [list(range(len(curves))), *([timed] if timed else [])]
    labels = (
        "architectures evaluated (N)",
        "seconds (scoring measured, training simulated)",
    )
    figure = new_figure(WIDTH, 0.9 + 3.1 * len(chosen))
    panels = figure.subplots(len(chosen), 1, sharey=True, squeeze=False)[:, 0]
    accuracy_axis(panels[0], np.concatenate([curve.mean for curve, _ in curves]))
    for panel, (axes, places) in enumerate(zip(panels, chosen, strict=True)):
        axes.set_xscale("log")
        for place in places:
            curve = curves[place][panel]
            if curve is not None:
                _draw_curve(axes, curve, colours[guide(files[place])], dashes[place])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_ylabel(accuracy_title(outcome))
        axes.set_xlabel(labels[panel])
        rule_lines(axes)
    legend = figure.legend(
        handles=[Line2D([], [], color=c, linewidth=4, label=name) for name, c in colours.items()],
        loc="outside upper left",
        ncols=2,
        alignment="left",
        title="colour: guided by",
        title_fontsize=8,
    )
    muted_title(legend)
    for panel, (axes, places) in enumerate(zip(panels, chosen, strict=True)):
        shown = [curves[place][panel] for place in places]
        ends = np.array([(c.x[-1], c.mean[-1]) for c in shown if c is not None])
        of_guide = [colours[guide(files[place])] for place in places]
        label_ends(
            axes,
            ends[:, 0],
            ends[:, 1],
            [names[place] for place in places],
            of_guide,
        )
    return figure


def _draw_curve(axes: Axes, curve: Curve, colour: str, dash: Dash) -> None:
    axes.plot(curve.x, curve.mean, color=colour, linestyle=dash, linewidth=1.3)
    if np.isfinite(curve.low).all():
        high = np.minimum(curve.high, 99.99)
        axes.fill_between(curve.x, curve.low, high, color=colour, alpha=0.15, linewidth=0)
