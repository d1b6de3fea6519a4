"""A recurrent cell as a graph: words and states come in on the left, the mean goes out right.

Every node but the first has one before it, so the nodes are a tree and no edges cross.
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from trainfree.errors import DataFileError, shown
from trainfree.report.style.colours import GROUND, INK, MUTED, SERIES

COLOURS = {
    "tanh": SERIES[0],
    "relu": SERIES[1],
    "identity": MUTED,
    "sigmoid": SERIES[2],
}
_WIDTH, _HEIGHT = 0.74, 0.46
Point = tuple[float, float]


class Graph(NamedTuple):
    """A cell: of each node its activation, and the node before it, -1 for the first."""

    activations: tuple[str, ...]
    previous: tuple[int, ...]

    @property
    def leaves(self) -> list[int]:
        """The nodes that feed no other."""
        return [node for node in range(len(self.activations)) if node not in self.previous]


def graph_of(cell: str) -> Graph:
    """Return the graph of a cell's text, such as ``tanh|relu~0``.

    Raises
    ------
    DataFileError
        When it is none.
    """
    activations, previous = [], []
    for node, part in enumerate(cell.split("|")):
        name, _, before = part.partition("~")
        if name not in COLOURS or (before.isdecimal() and int(before) < node) != (node > 0):
            raise DataFileError(
                f"expected a recurrent cell such as 'tanh|relu~0', found {shown(cell)}"
            )
        activations.append(name)
        previous.append(int(before) if node else -1)
    return Graph(tuple(activations), tuple(previous))


def places(graph: Graph) -> list[Point]:
    """Return where each node stands: to the right of the one before, amid those behind it."""
    count = len(graph.activations)
    depth = [0] * count
    for node in range(1, count):
        depth[node] = depth[graph.previous[node]] + 1
    heights = [0.0] * count
    free = 0.0

    def settle(node: int) -> None:
        nonlocal free
        behind = [other for other in range(count) if graph.previous[other] == node]
        for other in behind:
            settle(other)
        if behind:
            heights[node] = sum(heights[other] for other in behind) / len(behind)
        else:
            heights[node] = free
            free -= 1.0

    settle(0)
    middle = (max(heights) + min(heights)) / 2
    return [(float(depth[node]), heights[node] - middle) for node in range(count)]


def draw_cell(axes: Axes, cell: str, size: float = 7.5) -> None:
    """Draw a cell; ``size`` is that of the text, in points.

    Raises
    ------
    DataFileError
        When the text is none of a cell.
    """
    graph = graph_of(cell)
    at = places(graph)
    last = max(x for x, _ in at) + 1.0
    tall = max(1.0, max(abs(y) for _, y in at))
    first = at[0][1]
    word, state, mean = (-1.0, first + 0.5), (-1.0, first - 0.5), (last, 0.0)
    for source in (word, state):
        _arrow(axes, source, at[0])
    for node, before in enumerate(graph.previous):
        if before >= 0:
            _arrow(axes, at[before], at[node])
    for leaf in graph.leaves:
        _arrow(axes, at[leaf], mean)
    for point, text in ((word, "word"), (state, "state"), (mean, "mean")):
        _box(axes, point, text, INK, size, filled=False)
    for node, (point, name) in enumerate(zip(at, graph.activations, strict=True)):
        _box(axes, point, f"{node} {name}", COLOURS[name], size, filled=True)
    axes.set_xlim(-1.0 - _WIDTH, last + _WIDTH)
    axes.set_ylim(-tall - _HEIGHT, tall + _HEIGHT)
    axes.set_axis_off()


def _box(axes: Axes, point: Point, text: str, colour: str, size: float, *, filled: bool) -> None:
    x, y = point
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=colour if filled else GROUND,
            edgecolor=colour,
            linewidth=0.9,
            zorder=3,
        )
    )
    ink = GROUND if filled else INK
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=size, zorder=4)


def _arrow(axes: Axes, start: Point, end: Point) -> None:
    axes.add_patch(
        FancyArrowPatch(
            (start[0] + _WIDTH / 2, start[1]),
            (end[0] - _WIDTH / 2, end[1]),
            arrowstyle="-|>",
            mutation_scale=7,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.9,
            color=MUTED,
            zorder=2,
        )
    )
