"""Search time against accuracy (NASWOT paper, Figures 2 and 7)."""

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

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.run_files import search_title
from trainfree.report.figures.searches.search_lines import (
    Searches,
    colours_of,
    data_notes,
    files_of,
    guide,
    label_ends,
    muted_title,
    search_notes,
)
from trainfree.report.style.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.style.captions import sentences
from trainfree.report.style.colours import INK
from trainfree.report.style.look import (
    RESOLUTION,
    figure_style,
    new_figure,
    rule_lines,
    write_figure,
)
from trainfree.trainings import EVALUATIONS, budget_kind

WIDTH = 6.6
DODGE = 1.09
NEAR_MARGIN = 15.0
MEASURED, SIMULATED, BOTH = "scoring, measured", "training, simulated", "both, added up"
MARKERS = {MEASURED: "o", SIMULATED: "s", BOTH: "D"}
CLOCK_NOTES = {
    MEASURED: "Circles: measured seconds of scoring, nothing is trained.",
    SIMULATED: "Squares: simulated seconds of training.",
    BOTH: "Diamonds: the two added up.",
}


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


def plot_search(
    searches: Searches,
    output_stem: Path,
    scores: Path | None = None,
    benchmark: Path | None = None,
) -> None:
    """Draw what searches find against the seconds they take, with the spread over runs.

    Parameters
    ----------
    searches
        Of one space and data set.
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
    found = [answers_of(search) for search in files]
    timed = [answers for answers in found if np.isfinite(answers.seconds).all()]
    left_out = [answers.name for answers in found if answers not in timed]
    with figure_style():
        figure = _time_figure(timed, files, outcome)
        caption = sentences(
            "Mean accuracy of the answer with its standard deviation over runs, against the mean "
            "seconds of a search; both axes are logarithmic, the vertical one in the error.",
            *(CLOCK_NOTES[clock] for clock in MARKERS if any(a.clock == clock for a in timed)),
            f"Of the diamonds, scoring is {_scoring_span(timed)}."
            if any(answers.clock == BOTH for answers in timed)
            else "",
            "Searches of the same cost stand side by side, up to "
            f"{_dodge_percent(timed)} % from where they belong."
            if _dodge_percent(timed)
            else "",
            f"Seconds are not known of {', '.join(left_out)}." if left_out else "",
            *search_notes(files),
            *data_notes(scores, benchmark),
        )
        title = f"Accuracy of the answer against the seconds of the search: {outcome}"
        behind = files_of(searches, scores, benchmark)
        write_figure(figure, output_stem, title, caption, behind)


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
        by_number=budget_kind(search.attrs) == EVALUATIONS,
        scoring=scoring,
        training=training,
        mean=mean,
        std=np.sqrt(squares / np.maximum(count - 1, 1)),
    )


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
    axes.set_xlabel("seconds of a search (scoring measured, training simulated)")
    axes.set_ylabel(accuracy_title(outcome))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    rule_lines(axes)
    _time_legend(figure, {a.guide: colours[a.guide] for a in timed}, timed)
    if timed:
        figure.draw_without_rendering()
        _name_budgets(axes, timed, spread)
        ends = np.array([answers.seconds[-1] for answers in timed]) * spread
        means = np.array([answers.mean[-1] for answers in timed])
        of_guide = [colours[answers.guide] for answers in timed]
        names = [_title(answers) for answers in timed]
        label_ends(axes, ends, means, names, of_guide, near_margin=NEAR_MARGIN)
    return figure


def _title(answers: Answers) -> str:
    """Return the name that stands at the last point."""
    several = answers.by_number and len(answers.budgets) > 1
    return f"{answers.name}, {number(answers.budgets[-1], 0)}" if several else answers.name


def _name_budgets(axes: Axes, timed: Sequence[Answers], spread: Floats) -> None:
    """Write N at the points of searches that were read out at several numbers of evaluations.

    Points that fall together share one.
    """
    written: list[tuple[float, float, float]] = []
    for answers, factor in zip(timed, spread, strict=True):
        if not answers.by_number:
            continue
        # The last one stands behind the name.
        for place, budget in enumerate(answers.budgets[:-1]):
            point = (float(answers.seconds[place] * factor), float(answers.mean[place]))
            x, y = axes.transData.transform(point) * 72.0 / RESOLUTION
            if any(budget == b and abs(x - u) < 24 and abs(y - v) < 7 for b, u, v in written):
                continue
            written.append((budget, x, y))
            axes.annotate(
                f"{'N = ' if place == 0 else ''}{number(budget, 0)}",
                point,
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
