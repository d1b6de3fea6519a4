"""Figures as the page shows them: SVG where there is one, PNG otherwise, each with its caption.

Whatever lies in the folder and belongs to the page's run is shown. Captions are those that the
figures carry in their metadata, made from the attributes of the data they draw.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from markupsafe import Markup

from trainfree.analysis.origins import Origin
from trainfree.errors import DataFileError
from trainfree.report.page.gate import Gate
from trainfree.report.page.svg import LARGEST_FIGURE, inline_svg, parse_svg, svg_texts
from trainfree.report.style.png import clean_png

UNCAPTIONED = "The figure has no caption."
LARGEST_SVG = 400_000  # bytes; a PNG that is smaller stands for a drawing that is larger


@dataclass(frozen=True)
class FigureView:
    """A figure as the page shows it; ``contents`` are its files by suffix."""

    name: str
    anchor: str
    title: str
    caption: str
    markup: Markup
    contents: Mapping[str, bytes]


def read_figures(folder: Path, gate: Gate) -> dict[str, FigureView]:
    """Return the figures of a folder that belong to the run, by name.

    Those that do not, or cannot be read, are left with the gate.
    """
    places = count()

    def view(name: str, contents: Mapping[str, bytes], origin: Origin) -> FigureView | None:
        # No id of the page begins with f and a number.
        return _figure(folder, name, contents, f"f{next(places)}-", gate)

    return gate.views(folder, ("svg", "png"), LARGEST_FIGURE, view)


def anchor_of(name: str) -> str:
    """Return a name as part of an id: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _figure(
    folder: Path, name: str, contents: Mapping[str, bytes], prefix: str, gate: Gate
) -> FigureView | None:
    order = sorted(contents, reverse=True)
    if len(contents) > 1 and len(contents["svg"]) > max(LARGEST_SVG, len(contents["png"])):
        order.reverse()
    for suffix in order:
        path = folder / f"{name}.{suffix}"
        try:
            if suffix == "svg":
                return _drawing(path, name, contents, prefix)
            return _bitmap(path, name, contents)
        except DataFileError as error:
            gate.leave_out(path, error)
    return None


def _drawing(path: Path, name: str, contents: Mapping[str, bytes], prefix: str) -> FigureView:
    root = parse_svg(contents["svg"], path)
    title, caption = svg_texts(root)
    # the markup is written anew by inline_svg
    markup = Markup(inline_svg(root, prefix, _label(name, title, caption)))
    return _view(name, title, caption, markup, contents)


def _bitmap(path: Path, name: str, contents: Mapping[str, bytes]) -> FigureView:
    picture, texts = clean_png(contents["png"], path)
    title, caption = texts.get("Title", ""), texts.get("Description", "")
    markup = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(
        base64.b64encode(picture).decode(), _label(name, title, caption)
    )
    return _view(name, title, caption, markup, contents)


def _label(name: str, title: str, caption: str) -> str:
    return f"{title or name}. {caption or UNCAPTIONED}"


def _view(
    name: str, title: str, caption: str, markup: Markup, contents: Mapping[str, bytes]
) -> FigureView:
    told = caption or UNCAPTIONED
    return FigureView(name, anchor_of(name), title or name, told, markup, contents)
