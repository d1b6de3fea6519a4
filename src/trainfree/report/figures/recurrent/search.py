"""A search for a recurrent cell: perplexity epoch by epoch, and the cell that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from trainfree.analysis.formats import count_of, number
from trainfree.analysis.inputs import floats, texts
from trainfree.analysis.origins import data_files
from trainfree.analysis.studies.enas import Enas, read_enas, verdict
from trainfree.report.figures.recurrent.graph import draw_cell
from trainfree.report.style.captions import sentences
from trainfree.report.style.colours import MUTED, SERIES
from trainfree.report.style.look import figure_style, new_figure, rule_lines, write_figure

WIDTH, HEIGHT = 7.2, 5.6


def plot_enas(search: Path, cells: Sequence[Path], output_stem: Path) -> None:
    """Draw perplexities against epochs, and below them the derived cell.

    Parameters
    ----------
    search
        File of kind "enas".
    cells
        Files of kind "enas_training", of its cells.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or the files are not of one search.
    """
    found = read_enas(search, cells)
    with figure_style():
        figure = new_figure(WIDTH, HEIGHT)
        above, below = figure.subplots(2, 1, height_ratios=(1.25, 1.0))
        _curves(above, found)
        draw_cell(below, texts(found.search["candidate_cell"])[int(found.search["chosen"])])
        title = f"ENAS for recurrent cells on {found.search.attrs['text']}"
        files = [found.search, found.derived, *found.randoms]
        behind = data_files(file.attrs for file in files)
        write_figure(figure, output_stem, title, _caption(found), behind)


def _curves(axes: Axes, found: Enas) -> None:
    search = found.search
    epochs, valid = floats(search["epoch"]), floats(search["valid_perplexity"])
    axes.plot(epochs, floats(search["train_perplexity"]), color=SERIES[4], label="shared, train")
    axes.plot(epochs, valid.mean(axis=1), color=SERIES[0], marker="o", ms=3, label="shared, valid")
    axes.fill_between(
        epochs, valid.min(axis=1), valid.max(axis=1), color=SERIES[0], alpha=0.18, linewidth=0
    )
    for number_of, random in enumerate(found.randoms):
        label = "random cells alone, valid" if number_of == 0 else None
        own = floats(random["valid_perplexity"])
        axes.plot(floats(random["epoch"]), own, color=MUTED, linewidth=0.7, label=label)
    own = floats(found.derived["valid_perplexity"])
    axes.plot(floats(found.derived["epoch"]), own, color=SERIES[1], label="derived alone, valid")
    for model, style in zip(texts(search["model"]), (":", "--"), strict=True):
        level = float(search["ngram_perplexity"].sel(model=model, part="valid"))
        axes.axhline(level, color=MUTED, linestyle=style, linewidth=1.0, label=f"{model}, valid")
    axes.set_yscale("log")
    for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_format(ScalarFormatter())
    if valid.max() > 1000:
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("perplexity")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    rule_lines(axes)


def _caption(found: Enas) -> str:
    search = found.search
    drawn = count_of(search.sizes["sample"], "cell")
    words = number(float(search.attrs["train_words"]), 0)
    return sentences(
        f"Above perplexity of {search.attrs['text']} ({words} words to learn from) by epoch: of "
        f"shared weights the mean over {drawn} of the controller, with the range, and of cells "
        "trained alone; below the cell that was derived.",
        verdict(found) + ".",
    )
