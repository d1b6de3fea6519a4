"""Drawing a cell with letters: nodes from left to right, what skips a node below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace

SHORT_NAMES = {
    "skip_connect": "skip",
    "nor_conv_1x1": "conv 1×1",
    "nor_conv_3x3": "conv 3×3",
    "avg_pool_3x3": "avg pool 3×3",
}
_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
_LINES = {
    _LEFT | _RIGHT: "─",
    _UP | _DOWN: "│",
    _UP | _RIGHT: "└",
    _UP | _LEFT: "┘",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}
_NODE_WIDTH = 3


class Arrow(NamedTuple):
    """An edge from one node to a later one, with what it does."""

    source: int
    target: int
    label: str


def cell_arrows(space: CellSpace, index: int) -> list[Arrow]:
    """Return the edges of a cell that carry something, in canonical order."""
    return [
        Arrow(source, target, SHORT_NAMES[name])
        for (target, source), name in zip(EDGES, space.operation_names(index), strict=True)
        if name != "none"
    ]


def draw_cell(arrows: Sequence[Arrow], nodes: int = NODES) -> list[str]:
    """Return the lines of a drawing of a directed acyclic graph of numbered nodes."""
    canvas = _Canvas(nodes, max((len(arrow.label) for arrow in arrows), default=0) + 4)
    for arrow in arrows:
        if arrow.target == arrow.source + 1:
            canvas.along(arrow)
    below = [arrow for arrow in arrows if arrow.target > arrow.source + 1]
    lanes = sorted(below, key=lambda arrow: (arrow.target - arrow.source, arrow.source))
    for lane, arrow in enumerate(lanes):
        canvas.below(arrow, row=2 + lane)
    return canvas.lines()


class _Canvas:
    """Nodes in the first row; each arrow that skips a node has a row of its own further down."""

    def __init__(self, nodes: int, gap: int) -> None:
        self._pitch = _NODE_WIDTH + gap
        self._strokes: dict[tuple[int, int], int] = {}
        self._letters: dict[tuple[int, int], str] = {}
        self._labels: list[tuple[int, Arrow]] = []
        for node in range(nodes):
            self._write(0, node * self._pitch, f"({node})")

    def along(self, arrow: Arrow) -> None:
        """Draw an arrow to the next node."""
        start, end = self._out(arrow.source) + 1, self._in(arrow.target) - 1
        for column in range(start, end):
            self._stroke(0, column, _LEFT | _RIGHT)
        self._letters[0, end] = "▶"
        self._write(0, start + (end - start - len(arrow.label)) // 2, arrow.label)

    def below(self, arrow: Arrow, row: int) -> None:
        """Draw an arrow down from its source, along ``row`` and up to its target."""
        start, end = self._out(arrow.source), self._in(arrow.target)
        for above in range(1, row):
            self._stroke(above, start, _UP | _DOWN)
            self._stroke(above, end, _UP | _DOWN)
        self._letters[1, end] = "▲"
        self._stroke(row, start, _UP | _RIGHT)
        self._stroke(row, end, _UP | _LEFT)
        for column in range(start + 1, end):
            self._stroke(row, column, _LEFT | _RIGHT)
        self._labels.append((row, arrow))

    def lines(self) -> list[str]:
        """Return the rows; labels of the lower arrows are set where no other line crosses."""
        for row, arrow in self._labels:
            start, end = self._out(arrow.source), self._in(arrow.target)
            crossings = [start, *self._crossings(row, range(start + 1, end)), end]
            left, right = max(pairwise(crossings), key=lambda pair: pair[1] - pair[0])
            self._write(row, left + 1 + (right - left - 1 - len(arrow.label)) // 2, arrow.label)
        drawn = {place: _LINES[mask] for place, mask in self._strokes.items()} | self._letters
        height = 1 + max(row for row, _ in drawn)
        width = 1 + max(column for _, column in drawn)
        rows = ([drawn.get((row, column), " ") for column in range(width)] for row in range(height))
        return ["".join(row).rstrip() for row in rows]

    def _crossings(self, row: int, columns: Iterable[int]) -> list[int]:
        return [column for column in columns if self._strokes[row, column] & (_UP | _DOWN)]

    def _in(self, node: int) -> int:
        return node * self._pitch

    def _out(self, node: int) -> int:
        return node * self._pitch + _NODE_WIDTH - 1

    def _stroke(self, row: int, column: int, mask: int) -> None:
        self._strokes[row, column] = self._strokes.get((row, column), 0) | mask

    def _write(self, row: int, column: int, text: str) -> None:
        for offset, letter in enumerate(text):
            self._letters[row, column + offset] = letter
