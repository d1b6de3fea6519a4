"""Figures as the page shows them: SVG where there is one, PNG otherwise, each with its caption.

Whatever lies in the folder is shown. Captions are those that the figures carry in their metadata,
made from the attributes of the data they draw.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from trainfree.errors import DataFileError
from trainfree.report.svg import inline_svg, read_svg, svg_texts

UNCAPTIONED = "The figure's file carries no caption."
LARGEST_SVG = 400_000  # bytes; a PNG that is smaller stands for a drawing that is larger


@dataclass(frozen=True)
class FigureView:
    """A figure as the page shows it."""

    name: str
    anchor: str
    title: str
    caption: str
    markup: Markup


def read_figures(folder: Path) -> dict[str, FigureView]:
    """Return every figure of a folder by name; a folder that is not there has none.

    Raises
    ------
    DataFileError
        When a file is damaged.
    """
    found = {path.stem for suffix in ("svg", "png") for path in folder.glob(f"*.{suffix}")}
    return {name: _figure(folder, name) for name in sorted(found)}


def anchor_of(name: str) -> str:
    """Return a name as part of an id: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _figure(folder: Path, name: str) -> FigureView:
    vector, bitmap = folder / f"{name}.svg", folder / f"{name}.png"
    if vector.is_file() and not _is_better(bitmap, vector):
        root = read_svg(vector)
        title, caption = svg_texts(root)
        label = f"{title or name}. {caption or UNCAPTIONED}"
        # the markup is cleaned by inline_svg
        markup = Markup(inline_svg(root, anchor_of(name) + "-", label))
    else:
        title, caption = _bitmap_texts(bitmap)
        markup = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(
            base64.b64encode(bitmap.read_bytes()).decode(),
            f"{title or name}. {caption or UNCAPTIONED}",
        )
    return FigureView(name, anchor_of(name), title or name, caption or UNCAPTIONED, markup)


def _is_better(bitmap: Path, vector: Path) -> bool:
    """Tell whether the PNG is to stand for an SVG of many points."""
    size = vector.stat().st_size
    return size > LARGEST_SVG and bitmap.is_file() and bitmap.stat().st_size < size


def _bitmap_texts(bitmap: Path) -> tuple[str, str]:
    try:
        with Image.open(bitmap) as image:
            texts = {key: str(value) for key, value in image.info.items() if isinstance(key, str)}
    except UnidentifiedImageError as error:
        raise DataFileError(f"{bitmap}: is not a PNG figure; delete it and run again") from error
    return texts.get("Title", ""), texts.get("Description", "")
