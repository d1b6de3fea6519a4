"""The training of shared weights, epoch by epoch, and what is read from the weights after it."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.nn import functional as F

from trainfree.images.datasets import spec_of
from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.epochs import Row
from trainfree.weight_sharing.feed import PHASES, Clock, Feed, Meter
from trainfree.weight_sharing.methods import load_method
from trainfree.weight_sharing.pictures import Pictures
from trainfree.weight_sharing.setting import SharingSetting
from trainfree.weight_sharing.supernet import SuperNetwork


class SharedTraining:
    """One run of one method, a :class:`~trainfree.weight_sharing.epochs.Learner`.

    Parameters
    ----------
    setting
        What decides it.
    run
        Which run, from 0.
    pictures
        The images, on the device to train on.
    """

    def __init__(self, setting: SharingSetting, run: int, pictures: Pictures) -> None:
        self.setting, self.run, self.pictures = setting, run, pictures
        self.device = pictures.weights.labels.device
        self.settings = setting.method_settings
        self.space = setting.cell_space
        begin = stream(setting.seed, "weight-sharing/begin", run)
        network = SuperNetwork(
            self.space.operations,
            channels=setting.channels,
            cells=setting.cells,
            classes=spec_of(setting.dataset).classes,
            running_statistics=self.settings.running_statistics,
            seed=int(begin.integers(2**63)),
        ).to(self.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.method = load_method(setting.method)(
            network, self.settings, self.space, int(begin.integers(2**63))
        )

    def epoch(self, number: int) -> Row:
        """Do an epoch and return its record; the names are those of the file's variables."""
        method, feed, clock = self.method, self.feed(number), Clock(self.device)
        method.network.train()
        method.begin_epoch(number)
        seen = method.train(feed, clock)
        with clock.phase("choice"):
            choice = method.choose(feed)
        with clock.phase("validation"):
            validated = self._validated(choice, feed)
            alone = self.accuracy(choice)
        return {
            "choice": choice,
            "training_loss": seen.weights.loss,
            "training_accuracy": seen.weights.accuracy,
            "architecture_loss": seen.architecture.loss,
            "architecture_accuracy": seen.architecture.accuracy,
            "validation_accuracy": validated,
            "choice_accuracy": alone,
            "probability": method.probabilities().tolist(),
            "seconds": [clock.seconds[phase] for phase in PHASES],
        }

    def answer(self) -> tuple[int, float]:
        """Return the method's answer after the last epoch, and the seconds that took."""
        clock = Clock(self.device)
        with clock.phase("choice"):
            answer = self.method.choose(self.feed(self.settings.epochs), last=True)
        return answer, clock.seconds["choice"]

    def ranked(self) -> list[tuple[int, float, float]]:
        """Return architectures with their accuracy under the last weights, and the seconds.

        They are drawn uniformly, from the root seed alone; the network is as the last epoch left
        it.
        """
        rng = stream(self.setting.seed, "weight-sharing/ranked")
        count = min(self.setting.ranked, len(self.space))
        drawn = rng.choice(len(self.space), size=count, replace=False).tolist()
        found = []
        for arch in track(drawn, "ranked architectures"):
            start = time.perf_counter()
            accuracy = self.accuracy(arch)
            found.append((arch, accuracy, time.perf_counter() - start))
        return found

    def accuracy(self, arch: int) -> float:
        """Return the percent right of an architecture with the shared weights as they are."""
        meter, digits = Meter(), self.space.digits(arch)
        with self.method.network.evaluating():
            for batch in self.feed(0).validation():
                logits = self.method.network.chosen(batch.images, digits)
                meter.add(logits, batch.labels, F.cross_entropy(logits, batch.labels))
        return meter.accuracy

    def feed(self, epoch: int) -> Feed:
        """Return what an epoch draws."""
        return Feed(self.pictures, self.settings, self.setting.seed, self.run, epoch)

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return self.method.state_dict()

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.method.load_state_dict(state)

    def _validated(self, choice: int, feed: Feed) -> float:
        meter, generator = Meter(), feed.generator("validated")
        with self.method.network.evaluating():
            for batch in feed.validation():
                logits = self.method.validation_logits(batch.images, choice, generator)
                meter.add(logits, batch.labels, F.cross_entropy(logits, batch.labels))
        return meter.accuracy
