"""The files of ENAS for recurrent cells: a search, and the training of one cell.

A file of kind "enas" holds a search: its learning curve epoch by epoch, the cells that were drawn
after every epoch, the cells among which the derived one was chosen, the random cells that are
trained beside it, and what n-gram models make of the same text. A file of kind "enas_training"
holds the training of one of these cells alone, from scratch. Perplexities are per word, by natural
logarithms, over all words of a part of the text but its first; lower is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

PHASES = ("weights", "controller", "evaluation")
"""Of an epoch: training shared weights, training the controller, evaluating drawn cells."""
MODELS = ("unigram", "bigram")
PARTS = ("valid", "test")
DERIVED = "derived"
"""The place of the derived cell; those of random cells are ``random-0``, ``random-1`` …"""


class Candidates(NamedTuple):
    """Cells that the controller drew at the end, and their perplexities with shared weights."""

    cells: Sequence[str]
    perplexity: Sequence[float]
    seconds: float

    @property
    def best(self) -> int:
        """Which is best; the first of equal ones."""
        return int(np.argmin(self.perplexity))


def search_dataset(
    rows: Sequence[Mapping[str, Any]],
    candidates: Candidates,
    randoms: Sequence[str],
    ngrams: Mapping[str, Sequence[float]],
) -> xr.Dataset:
    """Return the data set of a search, without its attributes.

    Parameters
    ----------
    rows
        A record an epoch, with the names of the variables below.
    candidates
        Among which the derived cell was chosen.
    randoms
        Cells that are trained beside it.
    ngrams
        Perplexities of ``MODELS`` on ``PARTS``.
    """

    def column(name: str, long_name: str) -> xr.Variable:
        return _variable(("epoch",), [float(row[name]) for row in rows], long_name)

    samples = ("epoch", "sample")
    return xr.Dataset(
        {
            "train_perplexity": column("train_perplexity", "of the train text, as trained"),
            "valid_perplexity": _variable(
                samples,
                [row["valid_perplexity"] for row in rows],
                "of a drawn cell with shared weights, whole valid text",
            ),
            "cell": _texts(samples, [row["cell"] for row in rows], "cell that was drawn"),
            "reward": _variable(
                samples, [row["reward"] for row in rows], "what the cell would be rewarded with"
            ),
            "controller_loss": column("controller_loss", "mean loss of the controller"),
            "controller_entropy": column("controller_entropy", "mean, of a whole cell, in nats"),
            "controller_reward": column("controller_reward", "mean of the controller's rewards"),
            "controller_baseline": column("controller_baseline", "moving mean of the rewards"),
            "learning_rate": column("learning_rate", "of the shared weights"),
            "clipped_states": column("clipped_states", "share of hidden states that were clipped"),
            "seconds": _variable(
                ("epoch", "phase"),
                [[row["seconds"][phase] for phase in PHASES] for row in rows],
                "measured time",
                "s",
            ),
            "candidate_cell": _texts(("candidate",), candidates.cells, "cell of the controller"),
            "candidate_perplexity": _variable(
                ("candidate",), candidates.perplexity, "with shared weights, whole valid text"
            ),
            "chosen": _variable((), candidates.best, "the candidate that is the derived cell"),
            "candidate_seconds": _variable((), candidates.seconds, "of all candidates", "s"),
            "random_cell": _texts(("random",), randoms, "cell drawn uniformly"),
            "ngram_perplexity": _variable(
                ("model", "part"), [ngrams[model] for model in MODELS], "of an n-gram model"
            ),
        },
        coords={
            "epoch": np.arange(1, len(rows) + 1, dtype=np.int32),
            "phase": np.array(PHASES, dtype=object),
            "model": np.array(MODELS, dtype=object),
            "part": np.array(PARTS, dtype=object),
        },
    )


def training_dataset(cell: str, rows: Sequence[Mapping[str, Any]], test: float) -> xr.Dataset:
    """Return the data set of the training of one cell, without its attributes.

    Parameters
    ----------
    rows
        A record an epoch, with the names of the variables below.
    test
        Perplexity on the test text, of the weights after the epoch of best valid perplexity.
    """

    def column(name: str, long_name: str, units: str = "1") -> xr.Variable:
        return _variable(("epoch",), [float(row[name]) for row in rows], long_name, units)

    best = int(np.argmin([row["valid_perplexity"] for row in rows]))
    return xr.Dataset(
        {
            "cell": _texts((), cell, "the cell"),
            "train_perplexity": column("train_perplexity", "of the train text, as trained"),
            "valid_perplexity": column("valid_perplexity", "of the whole valid text"),
            "learning_rate": column("learning_rate", "of the weights"),
            "seconds": column("seconds", "measured time, training and evaluation", "s"),
            "best_epoch": _variable((), best + 1, "epoch of best valid perplexity"),
            "test_perplexity": _variable((), test, "of the whole test text, after that epoch"),
        },
        coords={"epoch": np.arange(1, len(rows) + 1, dtype=np.int32)},
    )


def _variable(dims: tuple[str, ...], values: Any, long_name: str, units: str = "1") -> xr.Variable:
    return xr.Variable(dims, np.asarray(values), {"units": units, "long_name": long_name})


def _texts(dims: tuple[str, ...], values: Any, long_name: str) -> xr.Variable:
    return _variable(dims, np.array(values, dtype=object), long_name)
