"""Animations of figures as GIF: equal figures give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from trainfree.files.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MILLISECONDS, LAST = 700, 2500
"""A picture stands so long, the last one longer."""
COLOURS = 32
"""Of the whole animation: few, so that it stays small."""


def picture_of(figure: Figure, density: int) -> Image.Image:
    """Return a figure as a picture with ``density`` dots an inch."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=density)
    return Image.open(drawn).convert("RGB")


def write_gif(pictures: Iterable[Image.Image], output: Path) -> None:
    """Write pictures one after the other, in the colours of the last one, without end.

    Raises
    ------
    DataFileError
        When the output cannot be written.
    """
    every = list(pictures)
    palette = every[-1].quantize(COLOURS, dither=Image.Dither.NONE)
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in every]
    written = io.BytesIO()
    frames[0].save(
        written,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[MILLISECONDS] * (len(frames) - 1) + [LAST],
        loop=0,
    )
    content = written.getvalue()
    write_atomically(output, lambda temporary: temporary.write_bytes(content))
