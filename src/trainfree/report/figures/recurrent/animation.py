"""The cells that a controller drew during a search, as a GIF: a picture an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import floats
from trainfree.files.storage import read_dataset
from trainfree.report.figures.recurrent.graph import draw_cell
from trainfree.report.style.gif import picture_of, write_gif
from trainfree.report.style.look import figure_style, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from PIL import Image

WIDTH, HEIGHT, DENSITY = 7.2, 3.6, 100


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
    write_gif(_pictures(read_dataset(search, "enas")), output)


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
        return picture_of(figure, DENSITY)
