"""The figure of the training study: score and rank after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats, metric_of_title, outcome_title
from trainfree.analysis.origins import data_files
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.analysis.studies.training import finite_by_epoch, read_training, training_note
from trainfree.errors import DataFileError
from trainfree.report.style.captions import sentences
from trainfree.report.style.look import DENSITY, figure_style, new_figure, rule_lines, write_figure

WIDTH, HEIGHT = 5.6, 5.4


def plot_training(scores: Sequence[Path], output_stem: Path) -> None:
    """Draw the score of each architecture, and its rank among them, against epochs.

    Parameters
    ----------
    scores
        Files of kind "training", one per architecture.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are not of one study, or no score is finite.
    """
    study = read_training(scores)
    score = finite_by_epoch(study)
    if np.isnan(score).all():
        raise DataFileError(f"{scores[0]}: no score is finite; there is nothing to draw")
    outcome = outcome_title(study.attrs["target"])
    with figure_style():
        figure = _figure(study, score, outcome)
        title = f"Score during training and final accuracy: {outcome}"
        behind = data_files([study.attrs])
        write_figure(figure, output_stem, title, _caption(study, score), behind)


def ranks(score: Floats) -> Floats:
    """Return the rank of each architecture in each epoch, 1 for the highest score.

    Parameters
    ----------
    score
        (epoch, arch), NaN where there is none; such have no rank.
    """
    return np.stack([mean_ranks(-values) for values in score])


def _figure(study: xr.Dataset, score: Floats, outcome: str) -> Figure:
    figure = new_figure(WIDTH, HEIGHT)
    above, below = figure.subplots(2, 1, sharex=True)
    accuracy = floats(study["accuracy"])
    colours = ScalarMappable(Normalize(accuracy.min(), accuracy.max()), DENSITY)
    epochs = floats(study["epoch"])
    for axes, values in ((above, score), (below, ranks(score))):
        for column, own in enumerate(accuracy):
            axes.plot(
                epochs,
                values[:, column],
                color=colours.to_rgba(own),
                marker="o",
                markersize=3,
                linewidth=1.3,
            )
        rule_lines(axes)
    above.set_ylabel("naswot score")
    _rank_axis(below, len(accuracy))
    below.set_xlabel("epochs of training")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    bar = figure.colorbar(colours, ax=[above, below], aspect=40, pad=0.02)
    bar.set_label(f"final {metric_of_title(outcome).label}: {outcome}")
    bar.outline.set_visible(False)
    return figure


def _rank_axis(axes: Axes, count: int) -> None:
    axes.set_ylabel("rank by score")
    axes.set_ylim(count + 0.5, 0.5)
    axes.set_yticks(range(1, count + 1), [str(rank) for rank in range(1, count + 1)], fontsize=7)


def _caption(study: xr.Dataset, score: Floats) -> str:
    lost = int(np.isnan(score).sum())
    return sentences(
        "Above the score of each architecture after every epoch of training, below its rank among "
        "them; colour is the accuracy that the benchmark has for the fully trained network.",
        f"{number(lost, 0)} scores are not finite and are left out." if lost else "",
        training_note(study),
    )
