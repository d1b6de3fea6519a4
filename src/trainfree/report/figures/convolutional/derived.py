"""The figure of the cells that a search derived."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from trainfree.analysis.origins import data_files
from trainfree.analysis.studies.enas_convolutional import read_search, told, verdict
from trainfree.report.figures.convolutional.drawing import draw_cell, draw_legend, read_pair
from trainfree.report.style.captions import sentences
from trainfree.report.style.look import figure_style, new_figure, write_figure

WIDTH, HEIGHT = 7.2, 5.0


def plot_derived(search: Path, output_stem: Path) -> None:
    """Draw the derived normal cell and reduction cell.

    Parameters
    ----------
    search
        File of kind "enas_convolutional".
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When the file is missing or damaged.
    """
    found = read_search(search)
    caption = sentences(
        "The normal cell and the reduction cell that were derived; a node is the sum of two "
        "operations, and the output concatenates what no node reads.",
        verdict(found) + ".",
        told(found) + ".",
    )
    with figure_style():
        figure = pair_figure(str(found.attrs["derived"]), WIDTH, HEIGHT)
        title = "Convolutional cells that ENAS derived"
        write_figure(figure, output_stem, title, caption, data_files([found.attrs]))


def pair_figure(pair: str, width: float, height: float, title: str = "") -> Figure:
    """Return a figure of a pair of cells, inside ``figure_style``."""
    figure = new_figure(width, height)
    above, below, legend = figure.subplots(3, 1, height_ratios=(1.0, 1.0, 0.12))
    for axes, cell, name in zip(
        (above, below), read_pair(pair), ("Normal cell", "Reduction cell"), strict=True
    ):
        draw_cell(axes, cell, name)
    draw_legend(legend)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure
