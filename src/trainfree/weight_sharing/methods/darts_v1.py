"""DARTS of first order.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, section 2.3 with
xi = 0; the script ``exps/NAS-Bench-201-algos/DARTS-V1.py``. A step of the weights, then one of the
numbers of operations, both through the mixture of all operations. The script clips the weights'
gradient by a norm that counts the numbers' gradient too; here it is the weights' own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import AlphaMethod, Trained
from trainfree.weight_sharing.presets import DartsSettings


class FirstOrderDarts(AlphaMethod):
    """Alternating descent in weights and numbers."""

    validated = "the mixture of all operations"
    settings: DartsSettings

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Alternate."""
        seen = Trained(Meter(), Meter())
        for batch in feed.of_weights():
            with clock.phase("weights"):
                logits = self.network.mixture(batch.images, self.mixed().detach())
                self.step_weights(logits, batch, seen.weights)
            other = feed.of_architecture(len(batch.labels))
            with clock.phase("architecture"):
                logits = self.network.mixture(other.images, self.mixed())
                self.descend(logits, other, seen.architecture)
        return seen

    def validation_logits(self, images: Tensor, choice: int, generator: torch.Generator) -> Tensor:
        """Return those of the mixture."""
        return self.network.mixture(images, self.mixed())


METHOD = FirstOrderDarts
