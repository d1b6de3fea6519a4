"""What an epoch draws, by the seed, the run and the epoch alone; and how it is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from trainfree.randomness import stream
from trainfree.weight_sharing.draws import generator_of
from trainfree.weight_sharing.pictures import Batch, Pictures
from trainfree.weight_sharing.presets import MethodSettings

PHASES = ("weights", "architecture", "choice", "validation")


class Feed:
    """The draws of one epoch.

    Parameters
    ----------
    pictures
        The images.
    settings
        How the method trains.
    seed, run, epoch
        What decides the draws: the root seed and two numbers, from 0.
    """

    def __init__(
        self, pictures: Pictures, settings: MethodSettings, seed: int, run: int, epoch: int
    ) -> None:
        self._pictures, self._settings = pictures, settings
        self._key = seed, run, epoch
        self._for_architecture = self.rng("architecture-images")
        self._compared = self.rng("compared-images")

    def rng(self, purpose: str) -> np.random.Generator:
        """Return a stream of the epoch's own."""
        seed, run, epoch = self._key
        return stream(seed, f"weight-sharing/{purpose}", run, epoch)

    def generator(self, purpose: str) -> torch.Generator:
        """Return the same for torch, on the CPU."""
        seed, run, epoch = self._key
        return generator_of(seed, f"weight-sharing/{purpose}", run, epoch)

    def of_weights(self) -> Iterator[Batch]:
        """Yield the images of the weights once, shuffled and augmented."""
        size = self._settings.batch_size
        rng = self.rng("weights-images")
        return self._pictures.shuffled(self._pictures.weights, size, rng, augmented=True)

    def of_architecture(self, size: int) -> Batch:
        """Return images of the architecture, augmented, each drawn anew from all of them."""
        half = self._pictures.architecture
        return self._pictures.drawn(half, size, self._for_architecture)

    def compared(self, *, augmented: bool = False) -> Iterator[Batch]:
        """Yield batches of the images of the architecture without end."""
        size, half = self._settings.evaluation_batch_size, self._pictures.architecture
        return self._pictures.endless(half, size, self._compared, augmented=augmented)

    def validation(self) -> Iterator[Batch]:
        """Yield all images of the architecture in their order, as they are."""
        size = self._settings.evaluation_batch_size
        return self._pictures.ordered(self._pictures.architecture, size)


class Clock:
    """Measures wall seconds by phase; on a GPU what was asked for is waited for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what is done inside to a phase."""
        start = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.seconds[name] += time.perf_counter() - start


class Meter:
    """Mean loss and percent right over images."""

    def __init__(self) -> None:
        self._loss, self._right, self._images = 0.0, 0, 0

    def add(self, logits: torch.Tensor, labels: torch.Tensor, loss: torch.Tensor | float) -> None:
        """Count a batch; the loss is its mean."""
        self._loss += float(loss) * len(labels)
        self._right += int((logits.detach().argmax(dim=1) == labels).sum())
        self._images += len(labels)

    @property
    def loss(self) -> float:
        """Mean loss; NaN of no images."""
        return self._loss / self._images if self._images else float("nan")

    @property
    def accuracy(self) -> float:
        """Percent right; NaN of no images."""
        return 100.0 * self._right / self._images if self._images else float("nan")
