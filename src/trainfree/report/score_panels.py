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

from trainfree.analysis.inputs import (
    USABLE_STATUSES,
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
)
from trainfree.analysis.measures import DRAWN, LEAST_ACCURACY, drawn_places, drawn_taus
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import number
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.report.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.captions import accuracy_note, image_notes, sentences
from trainfree.report.colours import SERIES
from trainfree.report.style import figure_style, new_figure, rule_lines, write_figure

PANEL_WIDTH, PANEL_HEIGHT = 2.5, 2.3
FEWEST = 3


class Panel(NamedTuple):
    """What a panel shows: scores and accuracies of one draw, and tau over all draws."""

    proxy: str
    outcome: str
    drawn: pd.DataFrame
    taus: Floats
    stand_in: bool


def plot_score_panels(
    scores: Sequence[Path],
    benchmark: Path,
    proxies: Sequence[str],
    settings: AnalysisSettings,
    output_stem: Path,
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

    Raises
    ------
    UnknownNameError
        When a scores file lacks a proxy.
    DataFileError
        When a file is missing or damaged, or there is nothing to draw in any panel.
    """
    trained = read_benchmark(benchmark)
    files = {path: read_scores(path) for path in scores}
    panels = [
        [
            _panel(scored, path, trained, benchmark, proxy, settings)
            for path, scored in files.items()
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
        space = str(next(iter(files.values())).attrs["space"])
        title = f"{', '.join(proxies)} against accuracy, a sample of {space}"
        caption = _caption(list(files.values()), trained, panels, settings)
        write_figure(figure, output_stem, title, caption)


def _panel(
    scored: xr.Dataset,
    path: Path,
    trained: xr.Dataset,
    benchmark: Path,
    proxy: str,
    settings: AnalysisSettings,
) -> Panel:
    if proxy not in texts(scored["proxy"]):
        raise UnknownNameError(f"proxy in {path}", proxy, texts(scored["proxy"]))
    target = targets(trained, score_settings(scored, path)["dataset"], benchmark)[0]
    score = floats(scored["score"].sel(proxy=proxy))
    usable = np.isin(status_names(scored, proxy), USABLE_STATUSES) & ~np.isposinf(score)
    both = pd.DataFrame(
        {
            "score": np.where(usable, score, np.nan),
            "accuracy": accuracy_of(target, scored, path, benchmark),
        }
    ).dropna()
    kept = both[both["accuracy"] > LEAST_ACCURACY]
    taus = drawn_taus(both, settings) if len(kept) >= FEWEST else np.array([np.nan])
    drawn = kept.iloc[drawn_places(len(kept), settings, 0)]
    return Panel(proxy, target.name, drawn, taus, bool(scored.attrs.get("stand_in", 0)))


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
    axes.set_title(
        f"τ = {number(float(panel.taus.mean()), 3)}{between}\n"
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
        "The accuracy axes are linear in the logarithm of the error and differ between data sets.",
        "Scores of −∞ rank lowest in τ and have no point." if infinite else "",
        f"Mini-batches of {batches}, initialisation {first['initialization']}, root seed {seeds}.",
        image_notes(scored.attrs for scored in files),
        accuracy_note(trained.attrs),
    )
