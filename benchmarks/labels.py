"""Names beside points: our placement, adjustText's and textalloc's on the same points.

    pip install adjustText textalloc && python benchmarks/labels.py

The points are those of the figure "proxy_cost" (reports/measured/proxies.csv), and thirty random
ones for each of five seeds. Counted are names that cover each other, a point or an interval, names
that stick out of the axes, and lines that lead through another name or point.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.path import Path as Line
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from trainfree.report.style.colours import MUTED, SERIES
from trainfree.report.style.labels import label_points
from trainfree.report.style.look import figure_style, new_figure

TABLE = Path(__file__).parent.parent / "reports" / "measured" / "proxies.csv"
RADIUS = 2.25  # of a point, in points of a 72nd of an inch
COLUMNS = (
    *("name-name", "name-point", "name-interval", "outside"),
    *("line-name", "line-point", "mean pt", "max pt", "seconds"),
)


class Points(NamedTuple):
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    names: list[str]


def measured() -> Points:
    table = pd.read_csv(TABLE)
    table = table[table["spearman"].notna() & (table["seconds_alone"] > 0)]
    columns = ("seconds_alone", "spearman", "spearman_low", "spearman_high")
    return Points(*(table[name].to_numpy(float) for name in columns), list(table["proxy"]))


def random(seed: int) -> Points:
    rng = np.random.default_rng(seed)
    x, y = 10 ** rng.uniform(-3, 0, 30), rng.uniform(-0.5, 0.9, 30)
    return Points(x, y, y - 0.03, y + 0.03, [f"proxy_{place}" for place in range(30)])


def ours(axes: Axes, points: Points) -> None:
    label_points(axes, points.x, points.y, points.names, (points.low, points.high))


def adjust(**options) -> Callable[[Axes, Points], None]:
    def place(axes: Axes, points: Points) -> None:
        from adjustText import adjust_text

        texts = [axes.text(x, y, name, fontsize=7) for x, y, *_, name in zip(*points, strict=True)]
        line = {"arrowstyle": "-", "color": MUTED, "lw": 0.5}
        adjust_text(
            texts, x=points.x, y=points.y, ax=axes, iter_lim=500, arrowprops=line, **options
        )

    return place


def allocate(**options) -> Callable[[Axes, Points], None]:
    def place(axes: Axes, points: Points) -> None:
        import textalloc

        textalloc.allocate(
            *(axes, points.x, points.y, points.names),
            x_scatter=points.x,
            y_scatter=points.y,
            x_lines=[[x, x] for x in points.x],
            y_lines=[[*ends] for ends in zip(points.low, points.high, strict=True)],
            textsize=7,
            linewidth=0.5,
            avoid_label_lines_overlap=True,
            **options,
        )

    return place


WIDE = {"max_distance": 0.35, "min_distance": 0.01, "margin": 0.006, "priority_strategy": "largest"}
WAYS = {
    "ours": ours,
    "adjustText, as it comes": adjust(),
    "adjustText, expand (1.3, 1.6)": adjust(expand=(1.3, 1.6)),
    "adjustText, expand (1.4, 2), force 0.3, 0.6": adjust(
        expand=(1.4, 2.0), force_text=(0.3, 0.6), force_static=(0.3, 0.6)
    ),
    "textalloc, as it comes": allocate(),
    "textalloc, near": allocate(**{**WIDE, "max_distance": 0.08, "nbr_candidates": 1000}),
    "textalloc, 400 candidates": allocate(**WIDE, nbr_candidates=400),
    "textalloc, 2,000 candidates": allocate(**WIDE, nbr_candidates=2000),
}


def tried(place: Callable[[Axes, Points], None], points: Points) -> tuple[list[float], bytes]:
    """Return what :data:`COLUMNS` say, and where the names are."""
    with figure_style():
        figure = new_figure(6.6, 5.4)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(points.x.min() / 2, points.x.max() * 3)
        axes.set_ylim(min(points.low.min(), -0.1) - 0.05, points.high.max() + 0.08)
        axes.vlines(points.x, points.low, points.high, color=SERIES[0], linewidth=0.9)
        axes.plot(points.x, points.y, "o", markersize=2 * RADIUS, color=SERIES[0])
        figure.draw_without_rendering()
        start = time.perf_counter()
        place(axes, points)
        seconds = time.perf_counter() - start
        figure.draw_without_rendering()
        scale = 72 / figure.dpi
        written = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}
        boxes = [np.array(written[name].extents) * scale for name in points.names]
        ends = (points.y, points.low, points.high)
        at, low, high = (
            axes.transData.transform(np.column_stack([points.x, y])) * scale for y in ends
        )
        frame = axes.get_window_extent().extents * scale
    dots = [np.array([*(point - RADIUS), *(point + RADIUS)]) for point in at]
    bars = [
        np.array([a[0] - 0.45, a[1], b[0] + 0.45, b[1]]) for a, b in zip(low, high, strict=True)
    ]
    near = [
        np.clip(point, box[:2], box[2:]) for point, box in zip(at, boxes, strict=True)
    ]  # where a line would end
    far = np.array([np.hypot(*(a - b)) for a, b in zip(at, near, strict=True)])
    lines = {place: Line([at[place], near[place]]) for place in np.flatnonzero(far > 9)}
    counts = [
        sum(covers(a, b) for a, b in combinations(boxes, 2)),
        sum(covers(a, b) for a in boxes for b in dots),
        sum(covers(a, b) for a in boxes for b in bars),
        sum(bool((box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any()) for box in boxes),
        sum(crossed(lines, boxes)),
        sum(crossed(lines, dots, at)),
    ]
    return [*counts, far.mean(), far.max(), seconds], np.round(boxes, 6).tobytes()


def covers(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return bool((size > 0).all() and size.prod() > 0.01)


def crossed(
    lines: dict[int, Line], boxes: list[NDArray[np.float64]], at: NDArray[np.float64] | None = None
) -> Iterator[bool]:
    """Yield whether a line meets the box of another; of points, only where they do not touch."""
    for place, line in lines.items():
        for other, box in enumerate(boxes):
            apart = at is None or np.hypot(*(at[place] - at[other])) > 2 * RADIUS
            if place != other and apart:
                yield bool(line.intersects_bbox(Bbox.from_extents(*box)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="ways whose name starts so")
    given = parser.parse_args()
    for title, sets in (("measured", [measured()]), ("random", [random(s) for s in range(1, 6)])):
        print(f"\n{title}: " + ", ".join(COLUMNS))
        for name, place in WAYS.items():
            if name.startswith(given.only):
                found = [tried(place, points) for points in sets]
                again = tried(place, sets[0])[1] == found[0][1]
                values = np.array([row for row, _ in found])
                whole = [str(int(count)) for count in values[:, :6].sum(axis=0)]
                rest = [f"{values[:, 6].mean():.1f}", f"{values[:, 7].max():.1f}"]
                rest.append(f"{values[:, 8].mean():.2f}")
                print(f"{name}: {', '.join([*whole, *rest])}" + ("" if again else "; CHANGES"))


if __name__ == "__main__":
    main()
