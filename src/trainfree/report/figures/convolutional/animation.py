"""The cells that a controller sampled during a search, as a GIF: a picture an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import floats
from trainfree.analysis.studies.enas_convolutional import read_search
from trainfree.report.figures.convolutional.derived import pair_figure
from trainfree.report.style.gif import picture_of, write_gif
from trainfree.report.style.look import figure_style

if TYPE_CHECKING:
    import xarray as xr
    from PIL import Image

WIDTH, HEIGHT, DENSITY = 6.4, 4.4, 90
MOST_PICTURES = 60
"""Of a longer search, epochs at equal distances are shown, the first and the last among them."""


def animate_cells(search: Path, output: Path) -> None:
    """Draw the best of the pairs that were sampled after each epoch.

    Parameters
    ----------
    search
        File of kind "enas_convolutional".
    output
        A GIF file; equal searches give equal bytes.

    Raises
    ------
    DataFileError
        When the file is missing or damaged, or the output cannot be written.
    """
    write_gif(_pictures(read_search(search)), output)


def _pictures(search: xr.Dataset) -> Iterator[Image.Image]:
    accuracy, pairs = floats(search["sampled_accuracy"]), search["sampled"].to_numpy()
    count = len(accuracy)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_PICTURES)).round().astype(int))
    for epoch in shown.tolist():
        best = int(np.argmax(accuracy[epoch]))
        title = (
            f"Epoch {epoch + 1} of {count}: best of {len(pairs[epoch])} sampled pairs, "
            f"{number(float(accuracy[epoch, best]), 1)} % with shared weights"
        )
        yield _picture(str(pairs[epoch, best]), title)


def _picture(pair: str, title: str) -> Image.Image:
    with figure_style():
        figure = pair_figure(pair, WIDTH, HEIGHT, title)
        return picture_of(figure, DENSITY)
