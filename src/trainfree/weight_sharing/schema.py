"""The file of one training of shared weights: one method, one run (kind ``weight_sharing``).

Nothing in it comes from a benchmark: what the chosen architectures reach when they are trained
alone is looked up by whoever reads the file. ``arch`` numbers are places in the space's own order,
as in every file of the suite.

Dimensions: ``epoch``, ``edge`` and ``operation`` (texts, in the space's order), ``phase`` (texts:
``weights``, ``architecture``, ``choice``, ``validation``), ``ranked``.

==========================  ===========================  ========================================
``choice``                  (epoch)            int32     what the method would answer after an epoch
``answer``                  ()                 int32     its answer, after the last epoch
``training_loss``           (epoch)            nats      of the shared weights, as trained
``training_accuracy``       (epoch)            percent   the same; in percent right
``architecture_loss``       (epoch)            nats      seen by the method's steps that change how
                                                         it chooses; NaN where it has none (rsps) or
                                                         they see accuracies only (enas)
``architecture_accuracy``   (epoch)            percent   the same; NaN where it has none
``validation_accuracy``     (epoch)            percent   shared weights on the images of the
                                                         architecture, as the method's own script
                                                         validates (attribute ``validated``)
``choice_accuracy``         (epoch)            percent   of ``choice`` alone, on the same images
``answer_accuracy``         ()                 percent   of ``answer``, the same
``probability``             (epoch, edge,      1         how likely an operation is chosen on an
                            operation)                   edge; sums to one over the operations
``seconds``                 (epoch, phase)     s         measured; ``validation`` is measured beside
                                                         the search and is no part of it
``answer_seconds``          ()                 s         measured, of that choice
``search_seconds``          ()                 s         all epochs' ``weights`` and
                                                         ``architecture``, and ``answer_seconds``:
                                                         what the search itself costs. The scripts
                                                         of NAS-Bench-201 count the same.
``ranked_arch``             (ranked)           int32     drawn uniformly, the same ones for every
                                                         method and run of a seed
``shared_accuracy``         (ranked)           percent   of each with the weights after the last
                                                         epoch, on the images of the architecture
``shared_seconds``          (ranked)           s         what that took
==========================  ===========================  ========================================

Attributes beside the provenance: ``space``, ``dataset``, ``method``, ``run`` (from 0), ``preset``,
``epochs``, ``batch_size``, ``channels``, ``cells``, ``image_size``, ``images_weights``,
``images_architecture`` (numbers of images), ``validated``, ``chance`` (percent right by guessing),
``published`` (1 where every number is the published one, else 0), ``scale`` (a text for readers:
``published`` or ``reduced: 5,000 images, 10 epochs, ...``), ``stand_in`` (1 for images that stand
in for others), ``image_source``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from trainfree.spaces.nasbench201.space import EDGES, CellSpace
from trainfree.weight_sharing.epochs import Row
from trainfree.weight_sharing.feed import PHASES

EPOCHWISE = {
    "training_loss": ("nats", "mean cross-entropy of the shared weights, as trained"),
    "training_accuracy": ("percent", "share right of the shared weights, as trained"),
    "architecture_loss": ("nats", "mean cross-entropy in the steps of the architecture"),
    "architecture_accuracy": ("percent", "share right in the steps of the architecture"),
    "validation_accuracy": ("percent", "share right on the images of the architecture"),
    "choice_accuracy": ("percent", "share right of the choice with the shared weights"),
}


class Outcome(NamedTuple):
    """What a training leaves behind.

    Attributes
    ----------
    rows
        Of each epoch, the variables over ``epoch`` by name.
    answer, answer_accuracy, answer_seconds
        See above.
    ranked
        Architecture, accuracy and seconds of each.
    """

    rows: Sequence[Row]
    answer: int
    answer_accuracy: float
    answer_seconds: float
    ranked: Sequence[tuple[int, float, float]]


def sharing_dataset(space: CellSpace, outcome: Outcome) -> xr.Dataset:
    """Return the data set of the file, without its attributes."""
    seconds = _column(outcome.rows, "seconds")
    searching = [PHASES.index(phase) for phase in ("weights", "architecture")]
    searched = float(seconds[:, searching].sum()) + outcome.answer_seconds
    epochwise = {
        name: _variable("epoch", _column(outcome.rows, name), units, long_name)
        for name, (units, long_name) in EPOCHWISE.items()
    }
    choice = _column(outcome.rows, "choice").astype(np.int32)
    probability = _column(outcome.rows, "probability")
    ranked = np.array(outcome.ranked, dtype=np.float64).reshape(-1, 3)
    answered = np.int32(outcome.answer)
    return xr.Dataset(
        {
            "choice": _variable("epoch", choice, "1", "architecture the method would answer"),
            "answer": _variable((), answered, "1", "architecture the method answers"),
            **epochwise,
            "answer_accuracy": _variable(
                (), outcome.answer_accuracy, "percent", "share right of the answer"
            ),
            "probability": _variable(
                ("epoch", "edge", "operation"), probability, "1", "how likely it is chosen"
            ),
            "seconds": _variable(("epoch", "phase"), seconds, "s", "measured time by phase"),
            "answer_seconds": _variable(
                (), outcome.answer_seconds, "s", "measured time of the choice of the answer"
            ),
            "search_seconds": _variable((), searched, "s", "measured time of the whole search"),
            "ranked_arch": _variable(
                "ranked", ranked[:, 0].astype(np.int32), "1", "architecture, drawn uniformly"
            ),
            "shared_accuracy": _variable(
                "ranked", ranked[:, 1], "percent", "share right with the last shared weights"
            ),
            "shared_seconds": _variable("ranked", ranked[:, 2], "s", "measured time of that"),
        },
        coords={
            "epoch": np.arange(len(outcome.rows), dtype=np.int32),
            "edge": np.array([f"{target}<-{source}" for target, source in EDGES], dtype=object),
            "operation": np.array(space.operations, dtype=object),
            "phase": np.array(PHASES, dtype=object),
        },
    )


def _column(rows: Sequence[Row], name: str) -> Any:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _variable(dims: str | tuple[str, ...], values: Any, units: str, name: str) -> xr.Variable:
    return xr.Variable(dims, values, {"units": units, "long_name": name})
