"""In what a run differs from a paper's protocol, and what that does to a verdict.

Two kinds of difference are told apart, before any number is looked at:

* an *obstacle*: the measured number is another quantity than the printed one (stand-in images,
  another input, another training of the networks; an absolute score of another mini-batch, whose
  size it grows with). There is no verdict;
* another *setting*: the same quantity, in conditions that differ by a number (the images of a
  mini-batch, how often the scores were drawn). The verdict is passed by the same rule, whichever
  way it goes, and carries the setting in its words: *reproduced at batch 32*.

To excuse in another setting what does not come out, and to count what does, would leave a score
that can only be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainfree.analysis.formats import count_of
from trainfree.analysis.published import Cell, Measure, PublishedTable
from trainfree.analysis.run_files import AbsentError, RunFiles, uses_images
from trainfree.analysis.statistics.drawn_runs import draws_of
from trainfree.trainings import ACCURACY

_OF_SCORES = ("answer", "best_scored", "history", "tau", "pearson")
_OF_RUNS = ("answer", "history")
DRAWN_BY_NOBODY = ("params", "flops", "relu_units")
"""Signals into which no mini-batch enters, and no weights."""
FEWEST_RUNS = 3
"""Runs of shared weights that a verdict takes: fewer say too little of their own spread."""


class Setting(NamedTuple):
    """What differs from the paper's protocol by a number.

    Attributes
    ----------
    words
        As they stand behind *reproduced*, for example ``at batch 32``; empty where nothing differs.
    paper
        What the paper has in its place.
    """

    words: str = ""
    paper: str = ""


def obstacle_of(run: RunFiles, measure: Measure, unit: str, batch_size: int) -> str:
    """Return why the scores behind a cell cannot stand beside the paper's; empty if they can.

    Parameters
    ----------
    unit, batch_size
        Of the printed number, and the images of the paper's mini-batch.
    """
    if measure.kind == "shared":
        return obstacle_of_shared(run, measure)
    if not _sees_images(measure):
        return ""
    try:
        attributes = run.scores(measure.dataset).attrs
        stand_in = run.stand_in(measure.dataset)
    except AbsentError:
        return ""
    if stand_in:
        return f"stand-in images: {stand_in}"
    if attributes.get("input", "images") != "images":
        return f"scored on {attributes['input']} input instead of images"
    found = int(attributes.get("batch_size", batch_size))
    if unit == "nats" and found != batch_size:
        return f"absolute score of a mini-batch of {found} images instead of {batch_size}"
    return ""


def obstacle_of_shared(run: RunFiles, measure: Measure) -> str:
    """Return in what trainings of shared weights are not the paper's; empty if they are."""
    trainings = run.shared.of(measure, run.space)
    if trainings is None:
        return ""
    runs = len(trainings.files)
    told = (
        f"stand-in images: {trainings.stand_in}" if trainings.stand_in else "",
        "" if trainings.is_published else str(trainings.attributes["scale"]),
        "" if runs >= FEWEST_RUNS else f"{count_of(runs, 'run')} instead of {FEWEST_RUNS}",
    )
    return "; ".join(filter(None, told))


def setting_of(run: RunFiles, measure: Measure, batch_size: int) -> Setting:
    """Return in what the scores behind a cell differ from the paper's by a number."""
    words, paper = [], []
    try:
        found = int(run.scores(measure.dataset).attrs.get("batch_size", batch_size))
    except AbsentError:
        found = batch_size
    if _sees_images(measure) and found != batch_size:
        words.append(f"at batch {found}")
        paper.append(f"batch {batch_size}")
    if _is_of_one_draw(run, measure):
        words.append("with one draw of the scores")
        paper.append("new draws in each run")
    return Setting(", ".join(words), ", ".join(paper))


def stated_obstacle(measure: Measure) -> str:
    """Return why nothing can stand beside a cell, as the file of published numbers says it."""
    return measure.comparable.removeprefix("yes").removeprefix("no: ")


def as_readable(run: RunFiles, measure: Measure) -> Measure:
    """Return a measure as a run can read it.

    Where the run lacks the accuracies that it names and has those that it names ``instead``, it
    reads those, with what the file of published numbers says of them.
    """
    other = measure.instead
    if other is None or _has(run, measure.outcome) or not _has(run, other.outcome):
        return measure
    remark = "; ".join(filter(None, (measure.remark, other.remark)))
    comparable = other.comparable if measure.comparable == "yes" else measure.comparable
    changed = {"outcome": other.outcome, "remark": remark, "comparable": comparable}
    return measure.model_copy(update={**changed, "instead": None})


def obstacle_to(run: RunFiles, table: PublishedTable, cell: Cell, measure: Measure) -> str:
    """Return why there can be no verdict on a cell; empty if there can be one."""
    stated = stated_obstacle(measure)
    found = obstacle_of(run, measure, cell.unit, table.batch_size)
    if measure.kind == "shared":  # what the file states is of a quoted cell
        return "; ".join(filter(None, (found, stated)))
    return stated or found


def _has(run: RunFiles, outcome: str) -> bool:
    try:
        run.accuracy(outcome)
    except AbsentError:
        return False
    return True


def _sees_images(measure: Measure) -> bool:
    of_scores = measure.kind in _OF_SCORES or (
        measure.kind == "sampled" and measure.quantity != "accuracy"
    )
    return of_scores and any(map(uses_images, _signals(measure)))


def _signals(measure: Measure) -> Sequence[str]:
    return [name for name in (measure.signal, measure.proxy) if name and name != ACCURACY]


def _is_of_one_draw(run: RunFiles, measure: Measure) -> bool:
    """Whether all runs of a search looked up one draw of mini-batch and weights.

    The error of their mean leaves out what another draw would change; with several draws it does
    not. Scores that nothing is drawn for are of no draw.
    """
    if measure.kind not in _OF_RUNS or all(name in DRAWN_BY_NOBODY for name in _signals(measure)):
        return False
    try:
        return len(np.unique(draws_of(run.search(measure)))) == 1
    except AbsentError:
        return False
