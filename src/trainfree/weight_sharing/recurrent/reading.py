"""Texts as a network reads them: in columns, and perplexities of whole texts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.weight_sharing.recurrent.cell import Cell
from trainfree.weight_sharing.recurrent.shared_model import SharedModel
from trainfree.weight_sharing.recurrent.text import TextError, Words

IGNORED = -100
"""In place of a word that is not there."""
_EVALUATED = 70


class Columns(NamedTuple):
    """A text in columns, each going on where the one before ended.

    ``words`` and ``targets`` are (length, batch); targets are the words that follow.
    """

    words: Tensor
    targets: Tensor

    def part(self, start: int, steps: int) -> Columns:
        """Return some rows; fewer where the text ends."""
        return Columns(self.words[start : start + steps], self.targets[start : start + steps])


def whole(words: Words, batch: int, device: str) -> Columns:
    """Return a text in which every word but the first is a target once.

    The last column is filled up with targets that count nothing.
    """
    length = -(-(len(words) - 1) // batch)
    missing = length * batch - (len(words) - 1)
    filled = np.concatenate([words[:-1], np.zeros(missing, np.int64)])
    targets = np.concatenate([words[1:], np.full(missing, IGNORED)])
    return Columns(_columns(filled, batch, device), _columns(targets, batch, device))


def even(words: Words, batch: int, device: str, where: str) -> Columns:
    """Return a text in columns of equal length without any filling: its end is left out.

    Raises
    ------
    TextError
        When it has fewer words than columns need.
    """
    length = (len(words) - 1) // batch
    if not length:
        raise TextError(
            f"{where}: expected more words than are read at once ({batch}), found {len(words)}; "
            "take a longer text or a smaller batch"
        )
    used = length * batch
    return Columns(
        _columns(words[:used], batch, device), _columns(words[1 : used + 1], batch, device)
    )


def batches(columns: Columns, steps: int) -> Iterator[Columns]:
    """Yield a text in parts of so many rows; the last may be shorter."""
    for start in range(0, len(columns.words), steps):
        yield columns.part(start, steps)


def loss_of(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy in nats a word."""
    flat = logits.flatten(0, 1)
    return F.cross_entropy(flat, targets.flatten(), ignore_index=IGNORED, reduction=reduction)


def perplexity(model: SharedModel, cell: Cell, columns: Columns) -> float:
    """Return the perplexity of all targets, read with one cell; nothing is dropped out."""
    total, state = 0.0, model.begin(columns.words.shape[1])
    with torch.no_grad():
        for part in batches(columns, _EVALUATED):
            passed = model(part.words, cell, state)
            state = passed.state
            total += float(loss_of(passed.logits, part.targets, "sum"))
    return exponential(total / int((columns.targets != IGNORED).sum()))


def exponential(loss: float) -> float:
    """Return the perplexity of a loss, infinite where it is too large for a number."""
    return math.exp(loss) if loss < 700 else math.inf


def _columns(words: Words, batch: int, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(words.reshape(batch, -1).T)).to(device)
