"""The search: shared weights and the controller in turn, epoch by epoch (section 2.2 and 2.4)."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainfree.randomness import stream
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.convolutional.cell import CellPair, pair_of
from trainfree.weight_sharing.convolutional.data import Data, Images, augmented
from trainfree.weight_sharing.convolutional.micro_controller import (
    MicroController,
    reinforce_of,
    weights_optimizer,
)
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings
from trainfree.weight_sharing.convolutional.steps import (
    dropout,
    rate_at,
    right,
    set_rate,
    step,
)
from trainfree.weight_sharing.convolutional.super_network import SuperNetwork
from trainfree.weight_sharing.draws import generator_of
from trainfree.weight_sharing.epochs import Row

PURPOSE = "enas-convolutional"
PHASES = ("weights", "controller", "judging")


class Judged(NamedTuple):
    """Pairs of cells and what share of reward images each classifies right, in percent."""

    pairs: list[CellPair]
    accuracies: list[float]

    @property
    def best(self) -> int:
        """Place of the best, the first among equals."""
        return max(range(len(self.pairs)), key=lambda place: self.accuracies[place])


class Search:
    """Learns shared weights and which cells do well with them; see ``epochs.Learner``.

    Parameters
    ----------
    settings
        Everything that decides the search.
    data
        Its images, on the device.
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, settings: EnasConvolutionalSettings, data: Data, device: str) -> None:
        self.settings, self.data = settings, data
        shared, seed = settings.shared, settings.seed
        self.network = SuperNetwork(
            nodes=settings.nodes,
            cells=shared.cells,
            channels=shared.channels,
            classes=data.classes,
            image_size=data.image_size,
            auxiliary=shared.auxiliary,
            generator=generator_of(seed, f"{PURPOSE}/weights"),
        )
        self.network.to(device)
        self.optimizer = weights_optimizer(self.network, shared.weight_decay)
        own = int(stream(seed, f"{PURPOSE}/controller").integers(2**63))
        self.controller = MicroController(settings.nodes, settings.controller, own)
        self.reinforce = reinforce_of(self.controller, settings.controller)

    def epoch(self, number: int) -> Row:
        """Train the weights on all images for them, then the controller; judge some pairs."""
        clock = [time.perf_counter()]
        loss, accuracy = self._weights(number)
        clock.append(time.perf_counter())
        taught = self._controller(number)
        clock.append(time.perf_counter())
        size = self.settings.shared.batch_size
        generator = generator_of(self.settings.seed, f"{PURPOSE}/judging", number)
        rows = torch.randperm(len(self.data.rewards), generator=generator)[:size]
        judged = self.judge(self.sampled(self.settings.shown, generator), rows)
        clock.append(time.perf_counter())
        return {
            "weight_loss": loss,
            "weight_accuracy": accuracy,
            **taught,
            "weight_rate": rate_at(self.settings.shared.rate, number),
            "controller_rate": rate_at(self.settings.controller.rate, number),
            "sampled": [str(pair) for pair in judged.pairs],
            "sampled_accuracy": judged.accuracies,
            "seconds": [after - before for before, after in pairwise(clock)],
        }

    def sampled(self, count: int, generator: torch.Generator) -> list[CellPair]:
        """Return pairs that the controller chooses."""
        with torch.no_grad():
            choices = self.controller.sample(count, generator).choices
        return [pair_of(chosen) for chosen in choices.tolist()]

    def judge(self, pairs: list[CellPair], rows: Tensor) -> Judged:
        """Classify the same reward images by each pair, in batches as in training.

        A last batch is left out if it is smaller than the others: it would be normalised by
        statistics of another kind.
        """
        size = min(self.settings.shared.batch_size, len(rows))
        batches = [
            self.data.rewards.batch(part) for part in torch.split(rows, size) if len(part) == size
        ]
        found = []
        for pair in pairs:
            hits = sum(self._hits(batch, pair) for batch in batches)
            found.append(100.0 * hits / (size * len(batches)))
        return Judged(pairs, found)

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "reinforce": self.reinforce.state_dict(),
        }

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.reinforce.load_state_dict(state["reinforce"])

    def _weights(self, number: int) -> tuple[float, float]:
        """Train on all images for weights, each batch with a pair of its own."""
        shared, images = self.settings.shared, self.data.weights
        set_rate(self.optimizer, rate_at(shared.rate, number))
        generator = generator_of(self.settings.seed, f"{PURPOSE}/epoch", number)
        order = torch.split(torch.randperm(len(images), generator=generator), shared.batch_size)
        pairs = self.sampled(len(order), generator)
        self.network.train()
        total, hits = 0.0, 0
        for rows, pair in zip(order, pairs, strict=True):
            pixels, labels = images.batch(rows)
            pixels = augmented(pixels, generator, shared.cutout)
            features = self.network.classifier.in_features
            kept = dropout(len(rows), features, shared.kept, generator, pixels)
            said = self.network(pixels, pair, kept)
            loss, good = step(self.network, self.optimizer, said, labels, shared.clip)
            total, hits = total + loss, hits + good
        return total / len(images), 100.0 * hits / len(images)

    def _controller(self, number: int) -> dict[str, float]:
        """Teach the controller by the accuracy of each sampled pair on a batch of its own."""
        taught, rewards = self.settings.controller, self.data.rewards
        set_rate(self.reinforce.optimizer, rate_at(taught.rate, number))
        generator = generator_of(self.settings.seed, f"{PURPOSE}/rewards", number)
        size = self.settings.shared.batch_size
        order = torch.randperm(len(rewards), generator=generator)
        sums = {"reward": 0.0, "entropy": 0.0, "controller_loss": 0.0}
        place = 0
        for _ in range(taught.steps):
            sample = self.controller.sample(taught.samples, generator)
            found = []
            for chosen in sample.choices.tolist():
                rows = order[torch.arange(place, place + size) % len(order)]
                place += size
                found.append(self._hits(rewards.batch(rows), pair_of(chosen)) / size)
            loss = self.reinforce.update(sample, torch.tensor(found))
            sums["reward"] += sum(found) / len(found)
            sums["entropy"] += float(sample.entropy.detach().mean())
            sums["controller_loss"] += loss
        baseline = self.reinforce.baseline
        assert baseline is not None
        return {
            **{name: value / taught.steps for name, value in sums.items()},
            "baseline": baseline,
        }

    def _hits(self, images: Images, pair: CellPair) -> int:
        self.network.eval()
        with torch.no_grad():
            return right(self.network(images.pixels, pair).main, images.labels)
