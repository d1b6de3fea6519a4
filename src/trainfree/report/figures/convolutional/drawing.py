"""A cell as a graph: its inputs, its nodes with two operations each, and its output."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from trainfree.report.style.colours import GROUND, INK, MUTED, SERIES

SHORT = {
    "sep_conv_3x3": "sep 3×3",
    "sep_conv_5x5": "sep 5×5",
    "avg_pool_3x3": "avg 3×3",
    "max_pool_3x3": "max 3×3",
    "skip_connect": "identity",
}
COLOURS = dict(zip(SHORT, (*SERIES[:4], MUTED), strict=True))
INPUTS = ("cell k−2", "cell k−1")
_STEP, _BEND = 1.0, 0.28


class DrawnCell(NamedTuple):
    """A cell as it is drawn: edges (operation, from, to) and the states that are its output."""

    edges: tuple[tuple[str, int, int], ...]
    output: tuple[int, ...]

    @property
    def states(self) -> int:
        """Number of inputs and nodes."""
        return len(INPUTS) + len(self.edges) // 2


def read_pair(text: str) -> tuple[DrawnCell, DrawnCell]:
    """Return the normal cell and the reduction cell of a text of a search's file."""
    normal, reduction = (part.partition("=")[2] for part in text.split())
    return _read_cell(normal), _read_cell(reduction)


def draw_cell(axes: Axes, cell: DrawnCell, title: str) -> None:
    """Draw a cell from left to right; edges have the colour of their operation."""
    places = {state: _place(state) for state in range(cell.states)}
    end = (max(x for x, _ in places.values()) + _STEP, 0.0)
    for number, (operation, source, target) in enumerate(cell.edges):
        bend = _BEND if number % 2 else -_BEND
        _arrow(axes, places[source], places[target], COLOURS[operation], bend)
    for state in cell.output:
        _arrow(axes, places[state], end, MUTED, 0.12, dashed=True)
    for state, place in places.items():
        is_input = state < len(INPUTS)
        _box(axes, place, INPUTS[state] if is_input else str(state), is_input=is_input)
    _box(axes, end, "output", is_input=True)
    axes.set_xlim(-0.6, end[0] + 0.6)
    axes.set_ylim(-1.7, 1.7)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def draw_legend(axes: Axes) -> None:
    """Name the colours of the operations."""
    for operation, colour in COLOURS.items():
        axes.plot([], [], color=colour, label=SHORT[operation])
    axes.plot([], [], color=MUTED, linestyle="--", label="concatenated")
    axes.legend(loc="center", ncols=6, fontsize=7)
    axes.set_axis_off()


def _read_cell(text: str) -> DrawnCell:
    edges, _, output = text.partition(">")
    pairs = [edge.split("~") for edge in edges.split("+")]
    return DrawnCell(
        tuple(
            (operation, int(state), len(INPUTS) + number // 2)
            for number, (operation, state) in enumerate(pairs)
        ),
        tuple(int(state) for state in output.split(",")),
    )


def _place(state: int) -> tuple[float, float]:
    """Return where a state is drawn: inputs below each other, nodes in turn above and below."""
    if state < len(INPUTS):
        return 0.0, 0.7 if state == 0 else -0.7
    node = state - len(INPUTS)
    return (1.0 + node) * _STEP, (0.55, -0.55, 0.0)[node % 3]


def _arrow(
    axes: Axes,
    source: tuple[float, float],
    target: tuple[float, float],
    colour: str,
    bend: float,
    *,
    dashed: bool = False,
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            source,
            target,
            arrowstyle="-|>",
            mutation_scale=8,
            shrinkA=11,
            shrinkB=11,
            color=colour,
            linewidth=1.0 if dashed else 1.5,
            linestyle="--" if dashed else "-",
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def _box(axes: Axes, place: tuple[float, float], name: str, *, is_input: bool) -> None:
    axes.text(
        *place,
        name,
        ha="center",
        va="center",
        fontsize=7 if is_input else 8,
        color=INK,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": GROUND, "edgecolor": MUTED},
        zorder=3,
    )
