"""The figure of the ablation: scores of every draw, architectures in the order of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import (
    DATASET_TITLES,
    Floats,
    floats,
    metric_of_title,
    outcome_title,
    texts,
)
from trainfree.analysis.origins import data_files
from trainfree.analysis.studies.ablation import finite_scores, spreads, study_note
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.report.style.captions import sentences
from trainfree.report.style.colours import INK, MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

WIDTH, ROW_HEIGHT = 6.6, 2.5
SIZED = "batch size"
TITLES = {
    "mini-batch": "other images",
    "gaussian input": "Gaussian noise for images",
    "initialisation": "other weights",
}
GOLDEN = (np.sqrt(5) - 1) / 2


def plot_ablation(scores: Path, output_stem: Path) -> None:
    """Draw the scores of all draws of each arm, four panels a proxy.

    Parameters
    ----------
    scores
        File of kind "ablation".
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the file is missing or damaged, or holds no finite score.
    """
    ablation = read_dataset(scores, "ablation")
    if not np.isfinite(ablation["score"]).any():
        raise DataFileError(f"{scores}: no score is finite; there is nothing to draw")
    ablation = ablation.sortby("accuracy")
    dataset = str(ablation.attrs["dataset"])
    with figure_style():
        figure = _figure(ablation)
        title = f"What draws do to scores: {DATASET_TITLES.get(dataset, dataset)}"
        behind = data_files([ablation.attrs])
        write_figure(figure, output_stem, title, _caption(ablation), behind)


def _figure(ablation: xr.Dataset) -> Figure:
    proxies = texts(ablation["proxy"])
    figure = new_figure(WIDTH, 2 * ROW_HEIGHT * len(proxies))
    panels = figure.subplots(2 * len(proxies), 2, squeeze=False)
    for place, proxy in enumerate(proxies):
        own = panels[2 * place : 2 * place + 2].ravel().tolist()
        for axes, arm in zip(own, TITLES, strict=False):
            _draw_arm(axes, finite_scores(ablation, arm, proxy), TITLES[arm])
            axes.set_ylabel(f"{proxy} score")
        _one_scale(own[: len(TITLES)])
        _draw_sizes(own[-1], ablation, proxy)
        for axes in own:
            _name_architectures(axes, ablation)
    return figure


def _draw_arm(axes: Axes, score: Floats, title: str) -> None:
    """Draw each draw as a point beside the others of its architecture, and the means."""
    draws, count = score.shape
    spread = 0.5 * ((np.arange(draws) * GOLDEN) % 1.0 - 0.5)
    for column in range(count):
        axes.scatter(
            column + spread, score[:, column], s=5, color=SERIES[0], linewidths=0, alpha=0.6
        )
    known = ~np.isnan(score).all(axis=0)
    axes.plot(
        np.flatnonzero(known),
        np.nanmean(score[:, known], axis=0),
        color=SERIES[1],
        marker="_",
        markersize=9,
        linestyle="none",
    )
    within, between = spreads(score)
    axes.set_title(
        f"{title}\nstd {number(within)} over draws, {number(between)} over architectures",
        loc="left",
        fontsize=8,
    )


def _draw_sizes(axes: Axes, ablation: xr.Dataset, proxy: str) -> None:
    """Draw mean and deviation at each batch size, as multiples of the smallest mean."""
    arms = [arm for arm in texts(ablation["arm"]) if arm.startswith(SIZED)]
    for place, arm in enumerate(arms):
        score = finite_scores(ablation, arm, proxy)
        known = ~np.isnan(score).all(axis=0)
        mean, deviation = np.nanmean(score[:, known], axis=0), np.nanstd(score[:, known], axis=0)
        if not known.any() or mean.min() <= 0:
            continue
        axes.errorbar(
            np.flatnonzero(known) + 0.16 * (place - (len(arms) - 1) / 2),
            mean / mean.min(),
            deviation / mean.min(),
            color=SERIES[place % len(SERIES)],
            linestyle="none",
            elinewidth=0.9,
            marker="o",
            markersize=2.5,
            label=arm.removeprefix(SIZED).strip(),
        )
    axes.set_title("other batch sizes\nmean and std over draws", loc="left", fontsize=8)
    axes.set_ylabel("score / smallest mean")
    legend = axes.legend(ncols=2, fontsize=7, title="images", title_fontsize=7)
    legend.get_title().set_color(MUTED)


def _one_scale(panels: Sequence[Axes]) -> None:
    low = min(axes.get_ylim()[0] for axes in panels)
    high = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(low, high)


def _name_architectures(axes: Axes, ablation: xr.Dataset) -> None:
    accuracy = floats(ablation["accuracy"])
    labels = [number(value, 1) for value in accuracy]
    axes.set_xticks(range(len(labels)), labels, rotation=45, fontsize=7, color=INK)
    target = outcome_title(ablation.attrs["target"])
    axes.set_xlabel(f"{_short(target)} {metric_of_title(target).label}")
    rule_lines(axes)


def _short(outcome: str) -> str:
    return outcome.partition(",")[0]


def _caption(ablation: xr.Dataset) -> str:
    lost = int((~np.isfinite(ablation["score"])).sum())
    return sentences(
        f"Scores of {number(ablation.sizes['draw'], 0)} draws of each kind, architectures in the "
        "order of their trained accuracy; dashes are means over draws.",
        "What a panel does not draw is that of the suite's own scores.",
        f"Batch of {ablation.attrs['batch_size']} but for the last panel.",
        f"{number(lost, 0)} scores are not finite and are left out." if lost else "",
        study_note(ablation),
    )
