"""Random search with parameter sharing.

Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019;
the script ``exps/NAS-Bench-201-algos/RANDOM-NAS.py``. Every step trains an architecture drawn
uniformly. The answer is the best of drawn ones, each evaluated on one batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import Method, Trained
from trainfree.weight_sharing.presets import RspsSettings


class RandomSharing(Method):
    """Uniform steps, and the best of a sample."""

    validated = "architectures drawn uniformly, one a batch"
    settings: RspsSettings

    def _begin(self, seed: int) -> None:
        """Nothing is learned but the weights."""

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Train another architecture at every step."""
        seen, generator = Trained(Meter(), Meter()), feed.generator("sampled")
        for batch in feed.of_weights():
            with clock.phase("weights"):
                logits = self.network.chosen(batch.images, self.random_digits(generator))
                self.step_weights(logits, batch, seen.weights)
        return seen

    def choose(self, feed: Feed, *, last: bool = False) -> int:
        """Return the best of ``samples`` architectures."""
        drawn = feed.rng("candidates").integers(len(self.space), size=self.settings.samples)
        return self.best_of(drawn, feed)

    def probabilities(self) -> NDArray[np.float64]:
        """Return that all operations are equally likely."""
        count = len(self.space.operations)
        return np.full((self.space.edges, count), 1 / count)

    def validation_logits(self, images: Tensor, choice: int, generator: torch.Generator) -> Tensor:
        """Return those of an architecture drawn uniformly."""
        return self.network.chosen(images, self.random_digits(generator))


METHOD = RandomSharing
