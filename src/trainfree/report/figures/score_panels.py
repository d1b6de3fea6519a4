"""Scores against accuracy as the papers show them: a sample, a panel a data set and proxy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, outcome_title, targets, texts
from trainfree.analysis.origins import data_files
from trainfree.analysis.papers.draws import (
    DRAWN,
    LEAST_ACCURACY,
    Correlated,
    drawn_places,
    taus_of,
)
from trainfree.analysis.papers.published_correlations import PublishedCorrelation, published_in
from trainfree.analysis.published import read_published
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.report.style.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.style.captions import accuracy_note, image_notes, sentences
from trainfree.report.style.colours import SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure
from trainfree.trainings import Outcome

PANEL_WIDTH, PANEL_HEIGHT = 2.5, 2.3
FEWEST = 3


class Panel(NamedTuple):
    """What a panel shows: scores and accuracies of one draw, and tau over all draws.

    ``published`` is the paper's tau of them, ``obstacle`` why ours cannot stand beside it,
    ``apart`` what the paper has where our setting is another.
    """

    proxy: str
    outcome: str
    drawn: pd.DataFrame
    taus: Floats
    stand_in: bool
    published: float | None
    obstacle: str
    apart: str = ""


def plot_score_panels(
    scores: Sequence[Path],
    benchmark: Path,
    proxies: Sequence[str],
    settings: AnalysisSettings,
    output_stem: Path,
    published: Path | None = None,
) -> None:
    """Draw scores against accuracy by the NASWOT paper's protocol (Figure 3).

    At most 1,000 architectures above 15 % accuracy, drawn at random.

    Parameters
    ----------
    scores, benchmark
        Merged scores files, a column of panels each, and the benchmark of their space.
    proxies
        A row of panels each.
    settings
        Seed, and number of draws that tau is the mean of; the first one is drawn.
    output_stem
        Path without suffix; .svg and .png are written.
    published
        The paper's numbers: which accuracies its figure shows, and its tau.

    Raises
    ------
    UnknownNameError
        When a scores file lacks a proxy.
    DataFileError
        When a file is missing or damaged, or there is nothing to draw in any panel.
    """
    run = RunFiles(scores, [], benchmark)
    if len(run.score_files) != len(scores):
        raise DataFileError(
            f"{', '.join(map(str, scores))}: expected readable scores of a data set each, found "
            f"{', '.join(run.score_files) or 'none'}; the log names what is left out"
        )
    papers = [] if published is None else [read_published(published)]
    beside = {found.measure.dataset: found for found in published_in(run, papers)}
    outcomes = {
        dataset: beside[dataset].measure.outcome
        if dataset in beside
        else targets(run.benchmark, dataset, benchmark)[0].name
        for dataset in run.score_files
    }
    panels = [
        [
            _panel(run, Correlated(dataset, proxy, outcome), beside.get(dataset), settings)
            for dataset, outcome in outcomes.items()
        ]
        for proxy in proxies
    ]
    if not any(len(panel.drawn) for row in panels for panel in row):
        raise DataFileError(
            f"{output_stem}: no architecture above {LEAST_ACCURACY:g} % has a finite score; there "
            "is nothing to draw"
        )
    with figure_style():
        figure = _draw(panels)
        files = list(run.score_files.values())
        title = f"{', '.join(proxies)} against accuracy, a sample of {files[0].attrs['space']}"
        caption = _caption(files, run.benchmark, panels, settings)
        behind = data_files(file.attrs for file in (*files, run.benchmark))
        write_figure(figure, output_stem, title, caption, behind)


def _panel(
    run: RunFiles,
    of: Correlated,
    beside: PublishedCorrelation | None,
    settings: AnalysisSettings,
) -> Panel:
    scored = run.scores(of.dataset)
    if of.proxy not in texts(scored["proxy"]):
        known = texts(scored["proxy"])
        raise UnknownNameError(f"proxy in the scores on {of.dataset}", of.proxy, known)
    try:
        both = run.pairs(*of)
    except AbsentError:
        both = pd.DataFrame({"score": [], "accuracy": []}, dtype=np.float64)
    percent = Outcome.of_label(of.outcome).metric.units == "%"
    kept = both[both["accuracy"] > LEAST_ACCURACY] if percent else both
    taus = taus_of(run, of, settings).taus if len(kept) >= FEWEST else np.array([np.nan])
    drawn = kept.iloc[drawn_places(len(kept), settings, 0)]
    stand_in = bool(run.stand_in(of.dataset))
    if beside is None or beside.correlated != of:
        return Panel(of.proxy, of.outcome, drawn, taus, stand_in, None, "")
    published, obstacle, apart = beside.cell.value, beside.obstacle(run), beside.apart(run)
    return Panel(of.proxy, of.outcome, drawn, taus, stand_in, published, obstacle, apart)


def _draw(panels: Sequence[Sequence[Panel]]) -> Figure:
    rows, columns = len(panels), len(panels[0])
    width = max(PANEL_WIDTH * columns + 0.5, 3.6)
    figure = new_figure(width, PANEL_HEIGHT * rows + 0.35)
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, line in enumerate(panels):
        for column, panel in enumerate(line):
            axes = grid[row, column]
            _draw_panel(axes, panel)
            axes.set_xlabel(f"{panel.proxy} score")
            axes.set_ylabel(_in_lines(accuracy_title(outcome_title(panel.outcome))), fontsize=8)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    score, accuracy = (panel.drawn[name].to_numpy(dtype=np.float64) for name in panel.drawn)
    finite = np.isfinite(score)
    axes.scatter(
        score[finite],
        accuracy[finite],
        s=5,
        color=SERIES[0],
        alpha=0.45,
        linewidths=0,
        rasterized=True,
    )
    if finite.any():
        accuracy_axis(axes, accuracy, apart=0.11)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        if np.abs(score[finite]).max() >= 1e5:
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    rule_lines(axes)
    spread = float(panel.taus.std(ddof=1)) if len(panel.taus) > 1 else np.nan
    between = "" if np.isnan(spread) else f" ± {number(spread, 3)}"
    lowest = int((~finite).sum())
    note = f", {number(lowest, 0)} at −∞" if lowest else ""
    note += ", stand-in images" if panel.stand_in else ""
    paper = "" if panel.published is None else f", paper {number(panel.published, 3)}"
    axes.set_title(
        f"τ = {number(float(panel.taus.mean()), 3)}{between}{paper}\n"
        f"n = {number(len(panel.drawn), 0)}{note}",
        loc="left",
        fontsize=8,
    )


def _in_lines(title: str) -> str:
    name, comma, rest = title.partition(" accuracy")
    return f"{name}\n{(comma + rest).strip()}"


def _caption(
    files: Sequence[xr.Dataset],
    trained: xr.Dataset,
    panels: Sequence[Sequence[Panel]],
    settings: AnalysisSettings,
) -> str:
    infinite = any(np.isneginf(panel.drawn["score"]).any() for row in panels for panel in row)
    seeds = ", ".join(sorted({str(scored.attrs.get("seed", "?")) for scored in files}))
    batches = ", ".join(sorted({str(scored.attrs["batch_size"]) for scored in files}))
    first = files[0].attrs
    return sentences(
        f"At most {number(DRAWN, 0)} architectures of {first['space']} above {LEAST_ACCURACY:g} % "
        "accuracy, drawn at random without replacement, as in the NASWOT paper's Figure 3; n are "
        "drawn here.",
        f"τ is Kendall's τ-b: mean ± standard deviation over {number(settings.tau_draws, 0)} such "
        f"draws with seed {settings.seed}, of which the points are the first.",
        *_paper_notes([panel for row in panels for panel in row]),
        "The accuracy axes are linear in the logarithm of the error and differ between data sets.",
        "Scores of −∞ rank lowest in τ and have no point." if infinite else "",
        f"Mini-batches of {batches}, initialisation {first['initialization']}, root seed {seeds}.",
        image_notes(scored.attrs for scored in files),
        accuracy_note(trained.attrs),
    )


def _paper_notes(panels: Sequence[Panel]) -> list[str]:
    """Say which accuracies the paper's code reads, and where its tau is of another setting."""
    notes = []
    if any(panel.outcome.startswith("cifar10-valid/test/") for panel in panels):
        notes.append(
            "CIFAR-10 accuracies are those of networks trained on half of the training images "
            "(cifar10-valid), which the paper's released code reads."
        )
    if any(panel.outcome.startswith("cifar10-valid/valid/") for panel in panels):
        notes.append(
            "CIFAR-10 accuracies are validation accuracies, as the paper's axes say; its released "
            "code reads test accuracies of the same networks."
        )
    for panel in panels:
        name = outcome_title(panel.outcome)
        if panel.obstacle:
            notes.append(f"Not comparable with the paper's τ of {name}: {panel.obstacle}.")
        elif panel.apart:
            notes.append(f"The paper's τ of {name} is of another setting: {panel.apart}.")
    return list(dict.fromkeys(notes))
