"""ENAS epoch by epoch: shared weights first, then the controller, then a look at drawn cells."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from trainfree.randomness import stream
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.controller import Controller, Reinforce
from trainfree.weight_sharing.epochs import Row
from trainfree.weight_sharing.recurrent.cell import Cell, every_edge, kinds, options
from trainfree.weight_sharing.recurrent.descent import Descent
from trainfree.weight_sharing.recurrent.reading import (
    even,
    exponential,
    loss_of,
    perplexity,
    whole,
)
from trainfree.weight_sharing.recurrent.settings import SearchSettings
from trainfree.weight_sharing.recurrent.shared_model import SharedModel
from trainfree.weight_sharing.recurrent.text import Text


class EnasLearner:
    """The search for a cell.

    Parameters
    ----------
    settings
        What decides it.
    text
        What is modelled.
    device
        Of the shared weights. The controller is on the CPU.

    Raises
    ------
    TextError
        When a part of the text has fewer words than are read at once.
    """

    def __init__(self, settings: SearchSettings, text: Text, device: str = "cpu") -> None:
        self.settings, descent = settings, settings.descent
        weights = _seed(settings.seed, "enas/weights")
        self.model = SharedModel(
            settings.network, len(text.vocabulary), every_edge(settings.nodes), weights
        ).to(device)
        train = even(text.train, descent.batch, device, f"{text.name}: train part")
        self.descent = Descent(self.model, descent, train, settings.seed)
        self.rewarding = even(text.valid, descent.batch, device, f"{text.name}: valid part")
        self.valid = whole(text.valid, descent.batch, device)
        chosen = settings.controller
        self.controller = Controller(
            options(settings.nodes),
            kinds(settings.nodes),
            hidden=chosen.hidden,
            temperature=chosen.temperature,
            tanh_constant=chosen.tanh_constant,
            seed=_seed(settings.seed, "enas/controller"),
        )
        self.reinforce = Reinforce(
            self.controller,
            torch.optim.Adam(self.controller.parameters(), lr=chosen.learning_rate),
            baseline_decay=chosen.baseline_decay,
            entropy_weight=chosen.entropy_weight,
        )

    def epoch(self, number: int) -> Row:
        """Do an epoch and return its record, by the names of the file's variables."""
        start = time.perf_counter()
        settings = self.settings
        updates = settings.weight_steps or self.descent.updates
        cells = self.drawn(updates, "enas/cells", number)
        trained = self.descent.epoch(number, cells.__getitem__, updates)
        after_weights = time.perf_counter()
        controller = self._train_controller(number)
        after_controller = time.perf_counter()
        # The same draws every epoch: what differs is what was learned.
        samples = self.drawn(settings.samples, "enas/samples")
        found = [self.valid_perplexity(cell) for cell in samples]
        return {
            "train_perplexity": trained.perplexity,
            "clipped_states": trained.clipped,
            "learning_rate": settings.descent.rate(number),
            **controller,
            "cell": [str(cell) for cell in samples],
            "valid_perplexity": found,
            "reward": [settings.controller.reward / value for value in found],
            "seconds": {
                "weights": after_weights - start,
                "controller": after_controller - after_weights,
                "evaluation": time.perf_counter() - after_controller,
            },
        }

    def drawn(self, count: int, purpose: str, *key: int) -> list[Cell]:
        """Return cells that the controller draws, as the purpose and the key say."""
        generator = torch.Generator().manual_seed(_seed(self.settings.seed, purpose, *key))
        with torch.no_grad():
            choices = self.controller.sample(count, generator).choices
        return [Cell.from_choices(row) for row in choices.tolist()]

    def valid_perplexity(self, cell: Cell) -> float:
        """Return the perplexity of a cell with shared weights on the whole valid text."""
        return perplexity(self.model, cell, self.valid)

    def _train_controller(self, number: int) -> dict[str, float]:
        """Update the controller, and return means over its updates.

        Each cell is rewarded on a batch from a random place of the valid text, read from an empty
        state. Nothing is dropped out.
        """
        chosen, seed = self.settings.controller, self.settings.seed
        rng = stream(seed, "enas/rewards", number)
        generator = torch.Generator().manual_seed(_seed(seed, "enas/controller-cells", number))
        steps = min(self.settings.descent.steps, len(self.rewarding.words))
        losses, entropies, rewards = [], [], []
        for _ in range(chosen.steps):
            sample = self.controller.sample(1, generator)
            place = int(rng.integers(len(self.rewarding.words) - steps + 1))
            cell = Cell.from_choices(sample.choices[0].tolist())
            reward = chosen.reward / self._batch_perplexity(cell, place, steps)
            losses.append(self.reinforce.update(sample, torch.tensor([reward])))
            entropies.append(float(sample.entropy.detach()))
            rewards.append(reward)
        return {
            "controller_loss": float(np.mean(losses)),
            "controller_entropy": float(np.mean(entropies)),
            "controller_reward": float(np.mean(rewards)),
            "controller_baseline": float(self.reinforce.baseline or 0.0),
        }

    def _batch_perplexity(self, cell: Cell, place: int, steps: int) -> float:
        part = self.rewarding.part(place, steps)
        with torch.no_grad():
            passed = self.model(part.words, cell, self.model.begin(part.words.shape[1]))
            return exponential(float(loss_of(passed.logits, part.targets)))

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return {"descent": self.descent.state_dict(), "reinforce": self.reinforce.state_dict()}

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.descent.load_state_dict(state["descent"])
        self.reinforce.load_state_dict(state["reinforce"])


def _seed(root: int, purpose: str, *key: int) -> int:
    """Return a seed for torch's generators."""
    return int(stream(root, purpose, *key).integers(2**63))
