"""What figures of searches have in common: reading the files, colours, dashes and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainfree.analysis.inputs import Floats, outcome_title
from trainfree.analysis.search_table import ACCURACY, read_search
from trainfree.analysis.study import search_title
from trainfree.analysis.tables import count_of, number
from trainfree.errors import DataFileError
from trainfree.report.captions import accuracy_note, image_notes
from trainfree.report.style import DASHES, INK, MUTED, SERIES, Dash
from trainfree.storage import open_dataset

TRAINED, ASSISTED = "trained accuracy", "trained accuracy, assisted by"
LABEL_SIZE = 7.0
NEAR_MARGIN = 15.0
_AT = 1.035
_MORE_DASHES: tuple[Dash, ...] = (*DASHES, (0.0, (8.0, 1.5)), (0.0, (3.0, 1.2, 1.0, 1.2, 1.0, 1.2)))


def read_searches(searches: Sequence[Path], output_stem: Path) -> tuple[list[xr.Dataset], str]:
    """Return search files in the order of guide and name, and the title of their outcome.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are of several data sets, or none is given.
    """
    files = [read_search(path) for path in searches]
    kinds = {
        tuple(str(f.attrs[k]) for k in ("space", "dataset", "headline_outcome")) for f in files
    }
    if len(kinds) != 1:
        raise DataFileError(
            f"{output_stem}: expected search files of one space, data set and outcome, found "
            f"{'; '.join(', '.join(kind) for kind in sorted(kinds)) or 'none'}; draw them apart"
        )
    files.sort(key=lambda search: (*_place(guide(search)), search_title(search)))
    return files, outcome_title(kinds.pop()[2])


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
    *,
    behind: bool = False,
) -> None:
    """Write names at the ends of lines: in the right margin, with a thin line to each end.

    Lines that end far from it have theirs above or below their ends, or ``behind`` them where no
    other line follows.
    """
    figure = axes.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise TypeError("names need axes that stand in a figure")
    figure.draw_without_rendering()
    near = x > x.max() / NEAR_MARGIN
    at = axes.transData.transform(np.column_stack([x, y]))
    line = 2.0 * LABEL_SIZE * figure.dpi / 72.0
    for place in (~near).nonzero()[0].tolist():
        above = at[:, 1] - at[place, 1]
        crowded = ~near & (abs(np.log(x / x[place])) < 1.0) & (above > 0) & (above < line)
        axes.annotate(
            names[place],
            (float(x[place]), float(y[place])),
            (8, 1) if behind else (0, -11 if crowded.any() else 6),
            textcoords="offset points",
            ha="left" if behind else "right",
            fontsize=LABEL_SIZE,
            color=INK,
        )
    chosen = near.nonzero()[0].tolist()
    places = [(float(x[place]), float(y[place])) for place in chosen]
    height = axes.get_window_extent().height * 72.0 / figure.dpi
    _label_margin(axes, height, places, [names[p] for p in chosen], [colours[p] for p in chosen])


def _label_margin(
    axes: Axes,
    height: float,
    places: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
) -> None:
    wanted = axes.transAxes.inverted().transform(axes.transData.transform(places))[:, 1]
    for place, at in enumerate(spread_apart(wanted.tolist(), 1.25 * LABEL_SIZE / height)):
        axes.annotate(
            names[place],
            xy=places[place],
            xytext=(_AT, at),
            textcoords="axes fraction",
            va="center",
            fontsize=LABEL_SIZE,
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colours[place],
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
        with open_dataset(scores, "scores") as scored:
            told.append(
                f"Mini-batch of {scored.attrs['batch_size']}. {image_notes([scored.attrs])}"
            )
    if benchmark is not None:
        with open_dataset(benchmark, "benchmark") as trained:
            told.append(accuracy_note(trained.attrs))
    return told


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
