"""The board of proxies on the page: a small picture of each, and all of them by worth and price.

Pictures are drawn here from the scores file behind the table. A picture that cannot be drawn leaves
the table as it is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from trainfree.analysis.formats import number, seconds
from trainfree.analysis.inputs import (
    Floats,
    accuracy_of,
    read_benchmark,
    read_scores,
    score_settings,
    target_of,
)
from trainfree.analysis.proxies.proxy_scores import read_proxy_scores
from trainfree.analysis.registry import read_rows
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header
from trainfree.report.style.colours import GROUND, INK, MUTED, RULE, SERIES
from trainfree.trainings import Outcome

LOG = logging.getLogger(__name__)
TABLE = "proxy_board"
MOST_POINTS = 400
LOWEST = 0.04
"""Share of the networks that are drawn at the lower edge, so that the others can be told apart."""
SMALL = (132, 44)
LARGE = (640, 540)
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 34, 54
LETTER, LINE = 6.3, 14
"""Pixels that a letter and a line of a label take, about."""
BASELINES = ("params", "flops", "relu_units", "trainable_tensors", "constant", "random")
"""Proxies that count or draw without looking at how a network computes: nobody's answer."""
ACCENT, CONTROL = SERIES[0], MUTED
PAGE = {INK: "ink", MUTED: "muted", RULE: "rule", GROUND: "surface", ACCENT: "accent"}
"""The page's own names of the colours of files."""


class Entry(NamedTuple):
    """A proxy of the board: worth with its interval, price in milliseconds, gain over params."""

    name: str
    spearman: float
    low: float
    high: float
    kendall: float
    ms: float
    gain: float
    gain_low: float

    @property
    def is_baseline(self) -> bool:
        """Whether it is a control."""
        return self.name in BASELINES


@dataclass(frozen=True)
class Board:
    """What the page shows of the board beside its table.

    Attributes
    ----------
    entries
        Its proxies, best first.
    count
        Architectures that they are compared on, the most that one has a score for.
    pictures
        By proxy: accuracy against rank by score.
    plot
        All proxies by worth and price; empty where none has both.
    plot_file
        The same as an SVG file.
    """

    entries: tuple[Entry, ...]
    count: int
    pictures: Mapping[str, Markup]
    plot: Markup
    plot_file: bytes


def read_board(table: Path, scores: Sequence[Path], benchmarks: Sequence[Path]) -> Board:
    """Return the board of a table.

    Parameters
    ----------
    table
        Its CSV file.
    scores, benchmarks
        Files of the run; pictures are drawn where those behind the table are among them.

    Raises
    ------
    DataFileError
        When the table is no such table.
    """
    frame = read_rows(TABLE, table)
    entries = tuple(
        Entry(
            name=str(row["proxy"]),
            spearman=float(row["spearman"]),
            low=float(row["spearman_low"]),
            high=float(row["spearman_high"]),
            kendall=float(row["kendall"]),
            ms=1000 * float(row["seconds_alone"]),
            gain=float(row["beside_params"]),
            gain_low=float(row["beside_params_low"]),
        )
        for row in frame.to_dict("records")
    )
    count = int(frame["n"].max()) if len(frame) else 0
    shown = [entry for entry in entries if not math.isnan(entry.spearman) and entry.ms > 0]
    plot = _plot(shown, count) if shown else ""
    file = f'<?xml version="1.0" encoding="utf-8"?>\n{plot}\n'.encode() if plot else b""
    plot = plot.replace(_NAMESPACE, "")  # which a page does not need, and its reader might follow
    for colour, variable in PAGE.items():
        plot = plot.replace(colour, f"var(--{variable})")
    return Board(entries, count, _pictures(frame, scores, benchmarks), Markup(plot), file)


_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'


def _pictures(
    frame: pd.DataFrame, scores: Sequence[Path], benchmarks: Sequence[Path]
) -> dict[str, Markup]:
    if frame.empty:
        return {}
    wanted = {key: str(frame[key].iloc[0]) for key in ("space", "dataset", "setting")}
    try:
        path, benchmark = _files(wanted, scores, benchmarks)
        found = read_proxy_scores(path)
        target = target_of(
            read_benchmark(benchmark), Outcome.of_label(str(frame["target"].iloc[0]))
        )
        if target is None:
            return {}
        accuracy = accuracy_of(target, found.data, path, benchmark)
        values = found.scores
    except (DataFileError, LookupError, ValueError) as error:
        LOG.warning("no pictures on the board: %s", error)
        return {}
    return {
        name: _picture(name, values[name].to_numpy(float), accuracy)
        for name in map(str, values)
        if name in set(frame["proxy"])
    }


def _files(
    wanted: Mapping[str, str], scores: Sequence[Path], benchmarks: Sequence[Path]
) -> tuple[Path, Path]:
    for path in scores:
        if path.is_file() and score_settings(read_scores(path), path) == wanted:
            for benchmark in benchmarks:
                if read_header(benchmark, "benchmark")[0].get("space") == wanted["space"]:
                    return path, benchmark
    raise DataFileError(f"no file of {' / '.join(wanted.values())} is there")


def _picture(name: str, score: Floats, accuracy: Floats) -> Markup:
    """Return accuracy against rank by score; accuracy linear in the logarithm of the error."""
    known = ~np.isnan(score) & ~np.isnan(accuracy)
    ranks, height = mean_ranks(score[known]), -np.log10(np.maximum(100 - accuracy[known], 0.01))
    step = max(1, math.ceil(len(ranks) / MOST_POINTS))
    order = np.argsort(ranks, kind="stable")[::step]
    wide, tall = SMALL
    across = 3 + (wide - 6) * (ranks[order] - 0.5) / max(len(ranks), 1)
    low, high = np.quantile(height, [LOWEST, 1.0]) if len(height) else (0.0, 1.0)
    up = tall - 3 - (tall - 6) * np.clip(height[order] - low, 0, None) / max(high - low, 1e-9)
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(across, up, strict=True))
    label = f"{name}: accuracy, upwards, against rank by score, {number(len(ranks), 0)} networks"
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}"><path d="{}"/></svg>'
    ).format(wide, tall, label, path)


def _plot(entries: Sequence[Entry], count: int) -> str:
    """Return all proxies by worth and price, in the colours of files."""
    wide, tall = LARGE
    prices = [math.log10(entry.ms) for entry in entries]
    x = _Scale(min(prices), max(prices), LEFT, wide - RIGHT, 0.08)
    worth = [entry.spearman for entry in entries]
    y = _Scale(min(worth), max(worth), tall - BOTTOM, TOP, 0.06)
    front = _front(entries)
    title = f"Rank correlation of {len(entries)} proxies with accuracy, against milliseconds"
    parts = [
        f'<svg{_NAMESPACE} viewBox="0 0 {wide} {tall}" role="img" '
        f'aria-label="{title}; {number(count, 0)} architectures. The table below has the numbers." '
        f'font-family="system-ui, sans-serif" font-size="12">',
        *_axes(x, y),
        _steps(front, x, y),
    ]
    points = [(x.at(math.log10(entry.ms)), y.at(entry.spearman)) for entry in entries]
    labels = _labels(entries, points, front)
    for entry, (px, py), (lx, ly, anchor) in zip(entries, points, labels, strict=True):
        best = entry in front
        colour = CONTROL if entry.is_baseline else ACCENT
        fill = colour if best else GROUND
        told = f"{entry.name}: ρ {number(entry.spearman, 3)}, {seconds(entry.ms)} ms"
        parts.append(
            f'<g><title>{escape(told)}</title><circle cx="{px:.1f}" cy="{py:.1f}" '
            f'r="{5 if best else 4}" fill="{fill}" stroke="{colour}" stroke-width="1.6"/>'
            f'<text x="{lx:.1f}" y="{ly:.1f}" text-anchor="{anchor}" '
            f"{_BEST if best else _OTHER}>{escape(entry.name)}</text></g>"
        )
    return "".join([*parts, "</svg>"])


_BEST = f'fill="{INK}" font-weight="600"'
_OTHER = f'class="minor" fill="{MUTED}"'


class _Scale:
    """Positions of values, linear, with a margin at both ends."""

    def __init__(self, low: float, high: float, start: float, end: float, margin: float) -> None:
        more = margin * ((high - low) or 1.0)
        self.low, self.high = low - more, high + more
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)


def _axes(x: _Scale, y: _Scale) -> list[str]:
    wide, tall = LARGE
    parts = [
        f'<text x="{LEFT}" y="16" fill="{INK}">Spearman ρ with accuracy, higher is better</text>',
        f'<text x="{wide - RIGHT}" y="{tall - 8}" fill="{INK}" text-anchor="end">'
        "milliseconds per architecture, logarithmic</text>",
    ]
    span = y.high - y.low
    steps = 5 if span > 0.6 else 10 if span > 0.25 else 20
    for tick in range(math.ceil(y.low * steps), math.floor(y.high * steps) + 1):
        at = y.at(tick / steps)
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{wide - RIGHT}" stroke="{RULE}" fill="none"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" fill="{MUTED}" text-anchor="end">'
            f"{number(tick / steps, 2 if steps > 10 else 1)}</text>"
        )
    for power in range(math.ceil(x.low), math.floor(x.high) + 1):
        at = x.at(power)
        shown = number(10**power, max(0, -power))
        parts.append(
            f'<path d="M{at:.1f} {tall - BOTTOM}v5" stroke="{MUTED}" fill="none"/>'
            f'<text x="{at:.1f}" y="{tall - BOTTOM + 18}" fill="{MUTED}" text-anchor="middle">'
            f"{shown}</text>"
        )
    return parts


def _front(entries: Sequence[Entry]) -> list[Entry]:
    """Return those that no other one equals at a lower price, cheapest first."""
    found: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (entry.ms, -entry.spearman)):
        if not found or entry.spearman > found[-1].spearman:
            found.append(entry)
    return found


def _steps(front: Sequence[Entry], x: _Scale, y: _Scale) -> str:
    parts = [f"M{x.at(math.log10(front[0].ms)):.1f} {y.at(front[0].spearman):.1f}"]
    for entry in front[1:]:
        parts.append(f"H{x.at(math.log10(entry.ms)):.1f}V{y.at(entry.spearman):.1f}")
    path = "".join([*parts, f"H{LARGE[0] - RIGHT}"])
    return f'<path d="{path}" stroke="{ACCENT}" stroke-opacity="0.45" fill="none"/>'


def _labels(
    entries: Sequence[Entry], points: Sequence[tuple[float, float]], front: Sequence[Entry]
) -> list[tuple[float, float, str]]:
    """Return where each name is written: the first place beside its point that is free."""
    taken = [(px - 6, py - 6, px + 6, py + 6) for px, py in points]
    found: dict[int, tuple[float, float, str]] = {}
    order = sorted(range(len(entries)), key=lambda at: entries[at] not in front)
    for at in order:
        (px, py), long = points[at], LETTER * len(entries[at].name)
        offers = [
            (px + side, py + lift, anchor)
            for lift in (4, -8, 16, -20, 28, -32, 40)
            for side, anchor in ((9, "start"), (-9, "end"), (0, "middle"))
            if anchor != "middle" or abs(lift) > 7
        ]
        boxes = [_box(*offer, long) for offer in offers]
        inside = [
            (offer, box)
            for offer, box in zip(offers, boxes, strict=True)
            if box[0] >= LEFT and box[2] <= LARGE[0] and box[1] >= TOP - 12
        ] or list(zip(offers, boxes, strict=True))
        offer, box = min(inside, key=lambda pair: sum(_overlap(pair[1], other) for other in taken))
        found[at] = offer
        taken.append(box)
    return [found[at] for at in range(len(entries))]


Box = tuple[float, float, float, float]


def _box(x: float, y: float, anchor: str, long: float) -> Box:
    left = x - {"start": 0.0, "middle": long / 2, "end": long}[anchor]
    return left, y - LINE + 3, left + long, y + 3


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0) * max(down, 0)
