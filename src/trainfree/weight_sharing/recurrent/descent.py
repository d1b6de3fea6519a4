"""Plain SGD on a network of recurrent cells, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from trainfree.randomness import stream
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.recurrent.cell import Cell
from trainfree.weight_sharing.recurrent.reading import Columns, exponential, loss_of
from trainfree.weight_sharing.recurrent.settings import DescentSettings
from trainfree.weight_sharing.recurrent.shared_model import SharedModel


class Pass(NamedTuple):
    """What an epoch gave: perplexity as trained, and the share of states that were clipped."""

    perplexity: float
    clipped: float


class Descent:
    """Trains a model on a text.

    Parameters
    ----------
    model
        What learns.
    settings
        How.
    text
        The train text.
    seed
        The root seed, of what is dropped out.
    """

    def __init__(
        self, model: SharedModel, settings: DescentSettings, text: Columns, seed: int
    ) -> None:
        self.model, self.settings, self.text, self.seed = model, settings, text, seed
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )

    @property
    def updates(self) -> int:
        """Updates of a pass over the text."""
        return math.ceil(len(self.text.words) / self.settings.steps)

    def epoch(self, number: int, cell_of: Callable[[int], Cell], updates: int = 0) -> Pass:
        """Train for an epoch.

        The state is handed on from batch to batch, and begins anew with the epoch and the text.

        Parameters
        ----------
        number
            The epoch, from 0: what is dropped out depends on it.
        cell_of
            The cell of each update.
        updates
            How many; 0 for a pass over the text. Epochs of fewer go on where the last one ended.
        """
        settings, model = self.settings, self.model
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(number)
        device = self.text.words.device
        seed = int(stream(self.seed, "enas/dropout", number).integers(2**63))
        generator = torch.Generator(device).manual_seed(seed)
        count = updates or self.updates
        state = model.begin(self.text.words.shape[1])
        total = torch.zeros((), device=device)
        clipped = torch.zeros((), device=device)
        words = 0
        for update in range(count):
            place = (number * count + update) % self.updates
            if place == 0:
                state = torch.zeros_like(state)
            part = self.text.part(place * settings.steps, settings.steps)
            passed = model(part.words, cell_of(update), state, generator)
            state = passed.state.detach()
            loss = loss_of(passed.logits, part.targets)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            self.optimizer.step()
            total += loss.detach() * part.words.numel()
            clipped += passed.clipped
            words += part.words.numel()
        return Pass(exponential(float(total) / words), float(clipped) / count)

    def state_dict(self) -> State:
        """Return all that a next epoch depends on, the model's weights too."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
