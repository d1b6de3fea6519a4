"""One look for all figures, and deterministic files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from trainfree.analysis.origins import Apart, DataFile, MadeFrom, write_with_origin
from trainfree.report.style.bitmaps import pack_bitmaps
from trainfree.report.style.colours import GROUND, INK, MUTED, RULE

DENSITY = LinearSegmentedColormap.from_list(
    "density", ["#a9c7e4", "#5b9bd0", "#1f6fb0", "#c8661b", "#e8871e"]
)
Dash = tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = (
    (0.0, ()),
    (0.0, (5.0, 1.6)),
    (0.0, (1.2, 1.4)),
    (0.0, (5.0, 1.5, 1.2, 1.5)),
)
RESOLUTION = 170

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.dpi": RESOLUTION,
    "figure.facecolor": GROUND,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.edgecolor": "none",
    "legend.facecolor": "none",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "trainfree",
    "text.color": INK,
    "text.parse_math": False,  # names come from files and may hold a dollar sign
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Use the suite's settings, and nothing of the user's matplotlibrc, in a ``with`` block."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, size in inches, that no global state knows of."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def rule_lines(axes: Axes) -> None:
    """Draw faint lines behind the data."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, which="major")


def write_figure(
    figure: Figure,
    output_stem: Path,
    title: str,
    caption: str,
    files: Iterable[DataFile],
    apart: Apart = "",
) -> None:
    """Write ``<stem>.svg`` and ``<stem>.png``; both carry title and caption as metadata.

    At last, ``<stem>.json`` says which data files they were made from.

    Parameters
    ----------
    figure
        What is drawn.
    output_stem
        Path without suffix.
    title, caption
        For the reader of the figure alone.
    files, apart
        What it was made from, see :class:`trainfree.analysis.origins.MadeFrom`.

    Raises
    ------
    DataFileError
        When a file cannot be written; nothing half-written is left.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not twice for each file
    texts = {"Title": title, "Description": caption}
    contents = {}
    for suffix, metadata in (
        ("svg", {"Date": None, "Creator": None, **texts}),
        ("png", {"Software": None, **texts}),
    ):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix, dpi=RESOLUTION, metadata=metadata)
        content = drawn.getvalue()
        if suffix == "svg":
            content = pack_bitmaps(content.decode()).encode()
        contents[suffix] = content
    write_with_origin(output_stem, contents, MadeFrom(files=tuple(files), apart=apart))
