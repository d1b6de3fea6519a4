"""What figures of searches have in common: reading the files, colours, dashes and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainfree.analysis.formats import count_of, number
from trainfree.analysis.inputs import Floats, outcome_title
from trainfree.analysis.origins import DataFile, data_files
from trainfree.analysis.run_files import search_title
from trainfree.analysis.searches.search import read_search
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header
from trainfree.report.style.captions import accuracy_note, image_notes
from trainfree.report.style.colours import INK, MUTED, SERIES
from trainfree.report.style.look import DASHES, Dash
from trainfree.trainings import ACCURACY

TRAINED, ASSISTED = "trained accuracy", "trained accuracy, assisted by"
LABEL_SIZE = 7.0
MARGIN, BEHIND = 1.035, 0.022
_MORE_DASHES: tuple[Dash, ...] = (*DASHES, (0.0, (8.0, 1.5)), (0.0, (3.0, 1.2, 1.0, 1.2, 1.0, 1.2)))


@dataclass(frozen=True)
class Searches:
    """Searches of one space and data set.

    Attributes
    ----------
    files
        The searches in the order of guide and name.
    outcome
        The title of the accuracy that they report.
    """

    files: tuple[xr.Dataset, ...]
    outcome: str


def read_searches(paths: Sequence[Path]) -> Searches:
    """Read the search files that stand in one figure.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are of several data sets, or none is given.
    """
    files = [read_search(path) for path in paths]
    kinds = {
        tuple(str(f.attrs[k]) for k in ("space", "dataset", "headline_outcome")) for f in files
    }
    if len(kinds) != 1:
        named = ", ".join(map(str, paths)) or "searches"
        raise DataFileError(
            f"{named}: expected search files of one space, data set and outcome, found "
            f"{'; '.join(', '.join(kind) for kind in sorted(kinds)) or 'none'}; draw them apart"
        )
    files.sort(key=lambda search: (*_place(guide(search)), search_title(search)))
    return Searches(tuple(files), outcome_title(kinds.pop()[2]))


def guide(search: xr.Dataset) -> str:
    """Return what guides a search: a proxy, trained accuracy, or that assisted by a proxy."""
    signal, proxy = (str(search.attrs.get(key, "")) for key in ("signal", "proxy"))
    if signal != ACCURACY:
        return signal
    return f"{ASSISTED} {proxy}" if proxy else TRAINED


def colours_of(files: Sequence[xr.Dataset]) -> dict[str, str]:
    """Return a colour for each guide."""
    names = list(dict.fromkeys(guide(search) for search in files))
    return {name: SERIES[place % len(SERIES)] for place, name in enumerate(names)}


def dashes_of(files: Sequence[xr.Dataset]) -> list[Dash]:
    """Return a dash for each search: different ones under one guide."""
    seen: dict[str, int] = {}
    found = []
    for search in files:
        place = seen.setdefault(guide(search), 0)
        found.append(_MORE_DASHES[place % len(_MORE_DASHES)])
        seen[guide(search)] = place + 1
    return found


def label_ends(
    axes: Axes,
    x: Floats,
    y: Floats,
    names: Sequence[str],
    colours: Sequence[str],
    near_margin: float = np.inf,
) -> None:
    """Write names beside the ends of lines, one below the other, with a thin line to each end.

    They stand in the right margin. Those of lines that end before the last by more than a factor
    of ``near_margin`` stand behind the last of these. Set the limits of the axes before.
    """
    figure = axes.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise TypeError("names need axes that stand in a figure")
    figure.draw_without_rendering()
    gap = 1.25 * LABEL_SIZE * figure.dpi / 72.0 / axes.get_window_extent().height
    ends = axes.transData.transform(np.column_stack([x, y]))
    at = axes.transAxes.inverted().transform(ends)
    near = x > x.max() / near_margin
    for column in (near, ~near):
        chosen = column.nonzero()[0].tolist()
        if not chosen:
            continue
        left = MARGIN if column[x.argmax()] else float(at[chosen, 0].max()) + BEHIND
        heights = spread_apart([float(at[place, 1]) for place in chosen], gap)
        for place, height in zip(chosen, heights, strict=True):
            point = (float(x[place]), float(y[place]))
            _write_name(axes, point, (left, height), names[place], colours[place])


def _write_name(
    axes: Axes, point: tuple[float, float], at: tuple[float, float], name: str, colour: str
) -> None:
    axes.annotate(
        name,
        xy=point,
        xytext=at,
        textcoords="axes fraction",
        va="center",
        fontsize=LABEL_SIZE,
        color=INK,
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.5,
            "alpha": 0.7,
            "shrinkA": 1,
            "shrinkB": 1,
            "relpos": (0.0, 0.5),
        },
    )


def spread_apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places between 0 and 1, ``gap`` apart, in the order of the wanted and near them.

    Neighbours that are too near form a block around the mean of where they want to be. Where there
    is no room for all, they go below 0.
    """
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    blocks: list[tuple[float, list[int]]] = []  # middle, members
    for place in order:
        blocks.append((wanted[place], [place]))
        while len(blocks) > 1 and _gap(blocks[-2], blocks[-1], gap) < 0:
            (low, first), (high, second) = blocks.pop(-2), blocks.pop()
            members = first + second
            blocks.append(((low * len(first) + high * len(second)) / len(members), members))
    found = [0.0] * len(wanted)
    for middle, members in blocks:
        for number_in, place in enumerate(members):
            found[place] = middle + (number_in - (len(members) - 1) / 2) * gap
    ceiling = 1.0
    for place in reversed(order):  # down from the top where a block stands out
        found[place] = min(found[place], ceiling)
        ceiling = found[place] - gap
    floor = min(0.0, 1.0 - (len(order) - 1) * gap)
    for place in order:
        found[place] = max(found[place], floor)
        floor = found[place] + gap
    return found


def search_notes(files: Sequence[xr.Dataset]) -> list[str]:
    """Return sentences on runs, seeds, clocks and what guided the searches."""
    runs = {search_title(search): int(search.sizes["run"]) for search in files}
    usual = max(runs.values(), key=list(runs.values()).count)
    others = [f"{name} ({number(count, 0)})" for name, count in runs.items() if count != usual]
    seeds = ", ".join(sorted({str(search.attrs.get("seed", "?")) for search in files}))
    return [
        f"{count_of(usual, 'run')} of each search"
        + (f", except {', '.join(others)}" if others else "")
        + f"; {count_of(len(files), 'search file')}, root seed {seeds}.",
        *_distinct(files, "signal_note"),
        *_distinct(files, "clock_note"),
    ]


def data_notes(scores: Path | None, benchmark: Path | None) -> list[str]:
    """Return sentences on the images that guiding proxies saw, and on the accuracies."""
    told = []
    if scores is not None:
        scored, _ = read_header(scores, "scores")
        told.append(f"Mini-batch of {scored['batch_size']}. {image_notes([scored])}")
    if benchmark is not None:
        told.append(accuracy_note(read_header(benchmark, "benchmark")[0]))
    return told


def files_of(
    searches: Searches, scores: Path | None, benchmark: Path | None
) -> tuple[DataFile, ...]:
    """Return the data files behind a figure of searches."""
    named = ((scores, "scores"), (benchmark, "benchmark"))
    headers = [read_header(path, kind)[0] for path, kind in named if path is not None]
    return data_files([*(search.attrs for search in searches.files), *headers])


def _distinct(files: Sequence[xr.Dataset], key: str) -> list[str]:
    """Return each sentence of the files' notes once."""
    notes = sorted({str(search.attrs.get(key, "")) for search in files})
    told = [sentence for note in notes for sentence in re.split(r"(?<=\.) ", note) if sentence]
    return list(dict.fromkeys(told))


def muted_title(legend: Any) -> None:
    """Set the title of a legend back."""
    legend.get_title().set_color(MUTED)


def _gap(lower: tuple[float, list[int]], upper: tuple[float, list[int]], gap: float) -> float:
    sizes = (len(lower[1]) + len(upper[1])) / 2
    return upper[0] - lower[0] - sizes * gap


def _place(name: str) -> tuple[int, str]:
    return (2 if name.startswith(ASSISTED) else int(name == TRAINED), name)
