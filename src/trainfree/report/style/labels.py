"""Names beside points, placed so that they cover neither each other nor any point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from trainfree.analysis.inputs import Floats
from trainfree.report.style.colours import INK, MUTED

GAP = 3.0
POINT = 3.5
RADII = (0.0, 5.0, 10.0, 16.0, 23.0, 31.0, 40.0, 52.0, 66.0)
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, -1), (-1, 0))
LEADER_FROM = 9.0


class _Box(NamedTuple):
    """Left, bottom, right and top, in points of a 72nd of an inch."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: _Box) -> float:
        """Return the common area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.top - self.bottom)


def label_points(
    axes: Axes,
    x: Floats,
    y: Floats,
    names: Sequence[str],
    bars: tuple[Floats, Floats] | None = None,
    size: float = 7.0,
) -> list[_Box]:
    """Write each name near its point, with a thin line to those that had to go farther.

    The places of a ring around the point are tried from near to far; the first free one inside the
    axes is taken, else the one that covers least. Set the limits of the axes before.

    Parameters
    ----------
    axes
        Where the points are drawn.
    x, y, names
        Place and name of each point.
    bars
        Lower and upper end of a vertical line through each point, to be kept free as well.
    size
        Of the letters, in points.

    Returns
    -------
    list
        The boxes of the names, in the order of the points.
    """
    figure = axes.get_figure(root=True)
    if figure is None or not isinstance(figure.canvas, FigureCanvasAgg):
        raise TypeError("names can be placed on an Agg figure only: their widths must be known")
    figure.draw_without_rendering()
    scale = 72.0 / figure.dpi
    at = axes.transData.transform(np.column_stack([x, y])) * scale
    left, bottom, right, top = (float(side) for side in axes.get_window_extent().extents)
    frame = _Box(left * scale, bottom * scale, right * scale, top * scale)
    points = [_Box(px - POINT, py - POINT, px + POINT, py + POINT) for px, py in at]
    taken = points + _lines(axes, x, bars, scale)
    placed: dict[int, _Box] = {}
    # From the right, where the labels have the least room beside them.
    for place in np.argsort(-at[:, 0], kind="stable").tolist():
        width, height = _extent(axes, names[place], size, scale)
        box = _free_place(at[place], width, height, frame, [*placed.values(), *taken])
        placed[place] = box
        _write(axes, (float(x[place]), float(y[place])), at[place], names[place], size, box)
    return [placed[place] for place in range(len(names))]


def _lines(axes: Axes, x: Floats, bars: tuple[Floats, Floats] | None, scale: float) -> list[_Box]:
    if bars is None:
        return []
    below, above = (axes.transData.transform(np.column_stack([x, end])) * scale for end in bars)
    return [
        _Box(float(low[0]) - 0.5, float(low[1]), float(low[0]) + 0.5, float(high[1]))
        for low, high in zip(below, above, strict=True)
        if np.isfinite([low, high]).all()
    ]


def _extent(axes: Axes, name: str, size: float, scale: float) -> tuple[float, float]:
    text = axes.text(0, 0, name, fontsize=size)
    extent = text.get_window_extent()
    text.remove()
    return extent.width * scale + GAP, extent.height * scale


def _free_place(
    at: Floats, width: float, height: float, frame: _Box, taken: Sequence[_Box]
) -> _Box:
    best, least = None, np.inf
    for radius in RADII:
        for across, up in DIRECTIONS:
            box = _beside(at, width, height, across, up, radius)
            covered = sum(box.overlap(other) for other in taken)
            covered += 2 * (box.area - box.overlap(frame))
            if covered < 1e-6:
                return box
            if covered < least:
                best, least = box, covered
    if best is None:
        raise ValueError("expected a finite place of the point")
    return best


def _beside(at: Floats, width: float, height: float, across: int, up: int, radius: float) -> _Box:
    reach = POINT + GAP / 2 + radius / (np.sqrt(2) if across and up else 1.0)
    middle = (at[0] + across * (reach + width / 2), at[1] + up * (reach + height / 2))
    left, bottom = float(middle[0]) - width / 2, float(middle[1]) - height / 2
    return _Box(left, bottom, left + width, bottom + height)


def _write(
    axes: Axes, point: tuple[float, float], at: Floats, name: str, size: float, box: _Box
) -> None:
    middle = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    nearest = (np.clip(at[0], box.left, box.right), np.clip(at[1], box.bottom, box.top))
    far = float(np.hypot(nearest[0] - at[0], nearest[1] - at[1])) > LEADER_FROM
    arrow = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    text = axes.annotate(
        name,
        xy=point,
        xytext=(middle[0] - at[0], middle[1] - at[1]),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=size,
        color=INK,
        arrowprops=arrow if far else None,
    )
    text.set_in_layout(False)
