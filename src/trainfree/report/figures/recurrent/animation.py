"""The cells that a controller drew during a search, as a GIF: a picture an epoch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import floats
from trainfree.files.storage import read_dataset
from trainfree.files.writing import write_atomically
from trainfree.report.figures.recurrent.graph import draw_cell
from trainfree.report.style.look import figure_style, new_figure

if TYPE_CHECKING:
    import xarray as xr

WIDTH, HEIGHT, DENSITY = 7.2, 3.6, 100
MILLISECONDS, LAST = 700, 2500
"""A picture stands so long, the last one longer."""
COLOURS = 32
"""Of the whole animation: few, so that it stays small."""


def animate_enas(search: Path, output: Path) -> None:
    """Draw the best of the cells that were drawn after each epoch.

    Parameters
    ----------
    search
        File of kind "enas".
    output
        A GIF file; equal searches give equal bytes.

    Raises
    ------
    DataFileError
        When the file is missing or damaged, or the output cannot be written.
    """
    pictures = _pictures(read_dataset(search, "enas"))
    palette = pictures[-1].quantize(COLOURS, dither=Image.Dither.NONE)
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
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


def _pictures(search: xr.Dataset) -> list[Image.Image]:
    perplexity, cells = floats(search["valid_perplexity"]), search["cell"].to_numpy()
    count = search.sizes["epoch"]
    pictures = []
    for epoch in range(count):
        best = int(np.argmin(perplexity[epoch]))
        title = (
            f"Epoch {epoch + 1} of {count}: best of {len(cells[epoch])} drawn cells, "
            f"perplexity {number(float(perplexity[epoch, best]), 1)} with shared weights"
        )
        pictures.append(_picture(str(cells[epoch, best]), title))
    return pictures


def _picture(cell: str, title: str) -> Image.Image:
    with figure_style():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        axes.set_title(title, fontsize=9)
        draw_cell(axes, cell)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=DENSITY)
    return Image.open(drawn).convert("RGB")
