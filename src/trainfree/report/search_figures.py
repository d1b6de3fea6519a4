"""Search time against accuracy (NASWOT paper, Figures 2 and 7), and the best so far."""

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

from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.rank_statistics import percentile_interval
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.study import search_title
from trainfree.analysis.tables import number
from trainfree.randomness import stream
from trainfree.report.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.captions import sentences
from trainfree.report.search_lines import (
    colours_of,
    dashes_of,
    guide,
    label_ends,
    muted_title,
    read_searches,
)
from trainfree.report.search_lines import search_notes as notes
from trainfree.report.style import INK, figure_style, new_figure, rule_lines, write_figure

WIDTH = 6.6
POINTS = 60
DODGE = 1.09
MEASURED, SIMULATED, BOTH = "scoring, measured", "training, simulated", "both, added up"
MARKERS = {MEASURED: "o", SIMULATED: "s", BOTH: "D"}


@dataclass(frozen=True)
class Answers:
    """What a search answers at its budgets: mean and spread over runs, and its mean seconds."""

    name: str
    guide: str
    budgets: list[float]
    by_number: bool
    scoring: Floats
    training: Floats
    mean: Floats
    std: Floats

    @property
    def seconds(self) -> Floats:
        """Both clocks added up."""
        return self.scoring + self.training

    @property
    def clock(self) -> str:
        """Which of the clocks ran."""
        if not np.nanmax(self.training) > 0:
            return MEASURED
        return BOTH if np.nanmax(self.scoring) > 0 else SIMULATED


@dataclass(frozen=True)
class Curve:
    """Mean accuracy of the answer over runs, with its bootstrap interval; NaN where unknown."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


def plot_search(searches: Sequence[Path], output_stem: Path) -> None:
    """Draw what searches find against the seconds they take, with the spread over runs.

    Parameters
    ----------
    searches
        Search files of one space and data set.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are of several data sets, or none is given.
    """
    files, outcome = read_searches(searches, output_stem)
    found = [answers_of(search) for search in files]
    timed = [answers for answers in found if np.isfinite(answers.seconds).all()]
    left_out = [answers.name for answers in found if answers not in timed]
    with figure_style():
        figure = _time_figure(timed, files, outcome)
        caption = sentences(
            "Mean accuracy of the answer with its standard deviation over runs, against the mean "
            "seconds of a search; both axes are logarithmic, the vertical one in the error.",
            "Circles: measured seconds of scoring, nothing is trained. Squares: simulated seconds "
            "of training. Diamonds: the two added up, scoring being "
            f"{_scoring_span(timed)} of it."
            if any(answers.clock == BOTH for answers in timed)
            else "Circles: measured seconds of scoring, nothing is trained. Squares: simulated "
            "seconds of training.",
            "Searches of the same cost stand side by side, up to "
            f"{_dodge_percent(timed)} % from where they belong."
            if _dodge_percent(timed)
            else "",
            f"Seconds are not known of {', '.join(left_out)}." if left_out else "",
            *notes(files),
        )
        title = f"Accuracy of the answer against the seconds of the search: {outcome}"
        write_figure(figure, output_stem, title, caption)


def plot_best_so_far(
    searches: Sequence[Path], settings: AnalysisSettings, output_stem: Path
) -> None:
    """Draw the accuracy of the best architecture so far against evaluations and seconds.

    Parameters
    ----------
    searches
        Search files of one space and data set.
    settings
        Seed and number of the bootstrap resamples of runs.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are of several data sets, or none is given.
    """
    files, outcome = read_searches(searches, output_stem)
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
            *notes(files),
        )
        title = f"The best architecture so far: {outcome}"
        write_figure(figure, output_stem, title, caption)


def answers_of(search: xr.Dataset) -> Answers:
    """Return what a search answers at each of its budgets, the headline accuracy."""
    outcome = search.attrs["headline_outcome"]
    accuracy = floats(search["answer_accuracy"].sel(outcome=outcome).transpose("run", "budget"))
    scoring, training = (
        floats(search[f"answer_{clock}_seconds"].transpose("run", "budget")).mean(axis=0)
        for clock in ("scoring", "training")
    )
    known = ~np.isnan(accuracy)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, accuracy, 0.0).sum(axis=0) / count
    squares = np.where(known, (accuracy - mean) ** 2, 0.0).sum(axis=0)
    return Answers(
        name=search_title(search),
        guide=guide(search),
        budgets=search["budget"].to_numpy().tolist(),
        by_number=search.attrs.get("budget_kind", "evaluations") == "evaluations",
        scoring=scoring,
        training=training,
        mean=mean,
        std=np.sqrt(squares / np.maximum(count - 1, 1)),
    )


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
    """Return (run, step) the step of the best fitness so far; the first one among equals."""
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


def _time_figure(timed: Sequence[Answers], files: Sequence[xr.Dataset], outcome: str) -> Figure:
    colours = colours_of(files)
    figure = new_figure(WIDTH, 4.6)
    axes = figure.subplots()
    spread = _dodged(timed)
    drawn = [(answers.mean - answers.std, answers.mean + answers.std) for answers in timed]
    if drawn:
        every = np.concatenate([np.concatenate(pair) for pair in drawn])
        accuracy_axis(axes, np.clip(every, 0.0, 99.99))
        axes.set_xscale("log")
    for answers, factor in zip(timed, spread, strict=True):
        colour, x = colours[answers.guide], answers.seconds * factor
        high = np.minimum(answers.std, 99.99 - answers.mean)
        axes.errorbar(
            x,
            answers.mean,
            np.stack([answers.std, high]),
            color=colour,
            marker=MARKERS[answers.clock],
            markersize=4.5,
            linewidth=1.1,
            elinewidth=0.8,
            capsize=2,
            capthick=0.8,
        )
    _name_budgets(axes, timed, spread)
    axes.set_xlabel("seconds of a search (scoring measured, training simulated)")
    axes.set_ylabel(accuracy_title(outcome))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    rule_lines(axes)
    _time_legend(figure, colours, timed)
    if timed:
        ends = np.array([answers.seconds[-1] for answers in timed]) * spread
        means = np.array([answers.mean[-1] for answers in timed])
        of_guide = [colours[answers.guide] for answers in timed]
        label_ends(axes, ends, means, [answers.name for answers in timed], of_guide)
    return figure


def _name_budgets(axes: Axes, timed: Sequence[Answers], spread: Floats) -> None:
    """Write N at the points of searches that were read out at several numbers of evaluations.

    Points that fall together share one.
    """
    written: set[tuple[float, float, float]] = set()
    for answers, factor in zip(timed, spread, strict=True):
        if not answers.by_number or len(answers.budgets) < 2:
            continue
        for place, (at, mean) in enumerate(
            zip(answers.seconds * factor, answers.mean, strict=True)
        ):
            budget = answers.budgets[place]
            key = (budget, round(float(np.log10(at)), 1), round(float(mean), 0))
            if key not in written:
                written.add(key)
                axes.annotate(
                    f"{'N = ' if place == 0 else ''}{number(budget, 0)}",
                    (at, mean),
                    (5, -9),
                    textcoords="offset points",
                    fontsize=6,
                    color=INK,
                )


def _dodged(timed: Sequence[Answers]) -> Floats:
    """Return a factor for each search that moves those of the same cost apart on a log axis."""
    factors = np.ones(len(timed))
    ends = np.array([answers.seconds[-1] for answers in timed])
    left = set(range(len(timed)))
    while left:
        first = min(left)
        near = [place for place in sorted(left) if abs(np.log(ends[place] / ends[first])) < 0.1]
        for shift, place in enumerate(near):
            factors[place] = DODGE ** (shift - (len(near) - 1) / 2)
        left -= {first, *near}
    return factors


def _dodge_percent(timed: Sequence[Answers]) -> int:
    return int(np.ceil(100 * (max([*_dodged(timed).tolist(), 1.0]) - 1)))


def _scoring_span(timed: Sequence[Answers]) -> str:
    scoring = [float(answers.scoring[-1]) for answers in timed if answers.clock == BOTH]
    low, high = (number(value, 1) for value in (min(scoring), max(scoring)))
    return f"{low} s" if low == high else f"{low} to {high} s"


def _time_legend(figure: Figure, colours: dict[str, str], timed: Sequence[Answers]) -> None:
    clocks = [clock for clock in MARKERS if any(answers.clock == clock for answers in timed)]
    guides = [
        Line2D([], [], color=colour, linewidth=4, label=name) for name, colour in colours.items()
    ]
    marks = [
        Line2D([], [], color=INK, linestyle="", marker=MARKERS[clock], markersize=4.5, label=clock)
        for clock in clocks
    ]
    blank = Line2D([], [], color="none", label="")
    rows = max(len(guides), len(marks))
    handles = guides + [blank] * (rows - len(guides)) + marks + [blank] * (rows - len(marks))
    legend = figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=2,
        alignment="left",
        title="colour: guided by; mark: which seconds",
        title_fontsize=8,
    )
    muted_title(legend)


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
        label_ends(axes, ends[:, 0], ends[:, 1], [names[place] for place in places], of_guide)
    return figure


def _draw_curve(
    axes: Axes, curve: Curve, colour: str, dash: tuple[float, tuple[float, ...]]
) -> None:
    axes.plot(curve.x, curve.mean, color=colour, linestyle=dash, linewidth=1.3)
    if np.isfinite(curve.low).all():
        high = np.minimum(curve.high, 99.99)
        axes.fill_between(curve.x, curve.low, high, color=colour, alpha=0.15, linewidth=0)
