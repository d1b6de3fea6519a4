"""Fronts of trained accuracy against a cost: the true one and those that NSGA-II finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.origins import data_files
from trainfree.analysis.searches.pareto import guide_title, read_fronts, with_units
from trainfree.errors import DataFileError
from trainfree.report.style.accuracy_axis import accuracy_axis, accuracy_title
from trainfree.report.style.captions import sentences, span
from trainfree.report.style.colours import GROUND, INK, MUTED, SERIES
from trainfree.report.style.look import DASHES, figure_style, new_figure, rule_lines, write_figure

if TYPE_CHECKING:
    import xarray as xr

SEARCH = "nsga2"
ACROSS, PANEL_WIDTH, PANEL_HEIGHT = 3, 2.6, 2.7
LINE = 0.07
"""Height of a line of text, as a share of a panel's."""


def plot_pareto(fronts: Sequence[Path], output_stem: Path) -> None:
    """Draw all architectures, the true front and the fronts found, a panel a cost.

    Parameters
    ----------
    fronts
        Files of kind "fronts", of one space, data set and outcome.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the files are not of one kind.
    """
    files = read_fronts(tuple(fronts))
    kinds = {(f.attrs["space"], f.attrs["dataset"], f.attrs["headline_outcome"]) for f in files}
    if len(kinds) > 1:
        named = "; ".join(", ".join(map(str, kind)) for kind in sorted(kinds))
        raise DataFileError(f"expected fronts of one space, data set and outcome, found {named}")
    outcome = outcome_title(str(files[0].attrs["headline_outcome"]))
    with figure_style():
        figure = _figure(files, outcome)
        title = f"Fronts found under costs: {outcome}"
        behind = data_files([file.attrs for file in files])
        write_figure(figure, output_stem, title, _caption(files), behind)


def front_line(accuracy: Floats, cost: Floats, larger_is_better: bool) -> tuple[Floats, Floats]:
    """Return cost and accuracy along the front of some architectures, the cheapest first.

    Dominated ones are left out.
    """
    burden = -cost if larger_is_better else cost
    order = np.lexsort((-accuracy, burden))
    height = np.maximum.accumulate(accuracy[order])
    rises = np.concatenate([[True], height[1:] > height[:-1]]) if len(order) else order > 0
    return cost[order][rises], accuracy[order][rises]


def median_run(file: xr.Dataset, guide: str) -> int:
    """Return the run of median hypervolume after all evaluations, the lower one of two."""
    share = floats(file["hypervolume"].sel(guide=guide, front_search=SEARCH).isel(budget=-1))
    return int(np.argsort(share, kind="stable")[(len(share) - 1) // 2])


def _figure(files: Sequence[xr.Dataset], outcome: str) -> Figure:
    rows, across = -(-len(files) // ACROSS), min(ACROSS, len(files))
    figure = new_figure(PANEL_WIDTH * across + 0.9, PANEL_HEIGHT * rows + 0.9)
    grid = figure.subplots(rows, across, squeeze=False)
    for axes in grid.flat[len(files) :]:
        axes.set_visible(False)
    guides = list(dict.fromkeys(guide for file in files for guide in texts(file["guide"])))
    for axes, file in zip(grid.flat, files, strict=False):
        _draw(axes, file, guides)
    for axes in grid[:, 0]:
        axes.set_ylabel(accuracy_title(outcome))
    handles = [Line2D([], [], color=INK, linewidth=1.8, label="true front")]
    handles += [
        Line2D([], [], **_look(place), label=f"NSGA-II by {guide_title(guide)}")
        for place, guide in enumerate(guides)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)))
    return figure


def _look(place: int) -> dict[str, Any]:
    dash = DASHES[place % len(DASHES)]  # fronts of different guides may be one line
    return {
        "color": SERIES[place % len(SERIES)],
        "linewidth": 1.3,
        "linestyle": dash,
        "zorder": 2.5 if dash[1] else 2.2,
    }


def _draw(axes: Axes, file: xr.Dataset, guides: Sequence[str]) -> None:
    accuracy, cost = floats(file["accuracy"]), floats(file["cost"])
    larger = bool(file.attrs["larger_is_better"])
    axes.scatter(cost, accuracy, s=1.5, color=MUTED, alpha=0.18, linewidths=0, rasterized=True)
    front = file["true_front"].to_numpy().astype(bool)
    lines: list[tuple[NDArray[Any], dict[str, Any]]] = [(front, {"color": INK, "linewidth": 1.8})]
    for place, guide in enumerate(guides):
        if guide in texts(file["guide"]):
            lines.append((_found(file, guide), _look(place)))
    ends = [float(np.min(accuracy[front]))]
    for chosen, look in lines:
        x, y = front_line(accuracy[chosen], cost[chosen], larger)
        axes.plot(x, y, drawstyle="steps-post", marker="o" if len(x) == 1 else "", **look)
        ends += y.tolist()
    floor = float(file.attrs["reference_accuracy"])
    accuracy_axis(axes, np.array([floor, max(ends)]))
    shown = cost[(accuracy >= floor) & ~np.isnan(cost)]
    axes.set_xlim(*_around(float(np.min(shown)), float(np.max(shown))))
    rule_lines(axes)
    _write_shares(axes, file, guides)
    axes.set_xlabel(with_units(str(file.attrs["cost_title"]), str(file.attrs["cost_units"])))


def _around(low: float, high: float) -> tuple[float, float]:
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _write_shares(axes: Axes, file: xr.Dataset, guides: Sequence[str]) -> None:
    """Write the mean hypervolume of each guide's fronts into the corner where no front is."""
    for place, guide in enumerate(guides):
        if guide in texts(file["guide"]):
            at = file.sel(guide=guide, front_search=SEARCH).isel(budget=-1)
            share, found = (float(at[name].mean()) for name in ("hypervolume", "found"))
            axes.text(
                0.98,
                0.05 + LINE * (len(guides) - 1 - place),
                f"{number(share)} ({number(found, 0)})",
                transform=axes.transAxes,
                color=_look(place)["color"],
                fontsize=7.5,
                ha="right",
                va="center",
                bbox={"facecolor": GROUND, "alpha": 0.8, "linewidth": 0, "pad": 1.0},
                zorder=3,
            )


def _found(file: xr.Dataset, guide: str) -> NDArray[np.int32]:
    """Return the architectures on the front of a guide's median run that have an accuracy."""
    run = file.sel(guide=guide, front_search=SEARCH).isel(run=median_run(file, guide))
    arch: NDArray[np.int32] = run["trace_arch"].to_numpy()[run["on_front"].to_numpy().astype(bool)]
    known = ~np.isnan(floats(file["accuracy"])[arch])
    return arch[known]


def _caption(files: Sequence[xr.Dataset]) -> str:
    first = files[0]
    budget = number(float(first["budget"].to_numpy()[-1]), 0)
    return sentences(
        "Points are all architectures; the black line is the true front, what no architecture "
        "beats in both accuracy and cost. Each coloured line is the front in trained accuracy of "
        f"what NSGA-II found by a guide in {budget} evaluations: of {span([first.sizes['run']])} "
        "runs the one of median hypervolume. Numbers are means over all runs: the share of the "
        "true front's hypervolume and, in brackets, how many architectures are on the front by "
        "the guide and would be trained. The accuracy axis is linear in the logarithm of the "
        "error and begins at the reference accuracy of the hypervolumes.",
        *dict.fromkeys(str(file.attrs["cost_note"]) for file in files),
    )
