"""DARTS of second order.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, equations 6 to 8;
the script ``exps/NAS-Bench-201-algos/DARTS-V2.py``. The numbers of operations descend the loss that
the weights would have after a step of their own. The gradient through that step is a product of
the mixed second derivatives with a vector, taken as a central difference: two more passes. As in
the script the numbers come first, and the step that is looked through has plain momentum, not
Nesterov's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import Trained
from trainfree.weight_sharing.methods.darts_v1 import FirstOrderDarts
from trainfree.weight_sharing.pictures import Batch

STEP = 0.01
"""Length of the step in the weights of which the central difference is taken."""


class SecondOrderDarts(FirstOrderDarts):
    """Descent of the numbers through a step of the weights."""

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Alternate, the numbers first."""
        seen = Trained(Meter(), Meter())
        for batch in feed.of_weights():
            other = feed.of_architecture(len(batch.labels))
            with clock.phase("architecture"):
                gradient, logits, loss = self.gradient(batch, other)
                self.step_architecture(gradient)
                seen.architecture.add(logits, other.labels, loss)
            with clock.phase("weights"):
                logits = self.network.mixture(batch.images, self.mixed().detach())
                self.step_weights(logits, batch, seen.weights)
        return seen

    def gradient(
        self, batch: Batch, other: Batch, step: float = STEP
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient of the numbers, and logits and loss after the weights' step.

        Weights and running statistics are afterwards what they were.

        Parameters
        ----------
        batch, other
            What the weights would learn from, and what the numbers learn from.
        step
            See :data:`STEP`.
        """
        weights: list[Tensor] = list(self.network.parameters())
        kept = [weight.detach().clone() for weight in weights]
        rate = self.optimizer.param_groups[0]["lr"]
        with self.network.statistics_kept():
            self._take_step(batch, weights, rate)
            logits = self.network.mixture(other.images, self.mixed())
            loss = F.cross_entropy(logits, other.labels)
            direct, *vector = torch.autograd.grad(loss, [self.alphas, *weights])
            length = torch.sqrt(sum((part.square().sum() for part in vector), torch.tensor(0.0)))
            radius = step / float(length)
            ahead = self._gradient_at(batch, weights, kept, vector, radius)
            behind = self._gradient_at(batch, weights, kept, vector, -radius)
            _set(weights, kept)
        through = (ahead - behind) / (2 * radius)
        return direct - rate * through, logits.detach(), loss.detach()

    def _take_step(self, batch: Batch, weights: list[Tensor], rate: float) -> None:
        logits = self.network.mixture(batch.images, self.mixed().detach())
        gradients = torch.autograd.grad(F.cross_entropy(logits, batch.labels), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                change = gradient + self.settings.weight_decay * weight
                moment = self.optimizer.state[weight].get("momentum_buffer")
                if moment is not None:
                    change = change + self.settings.momentum * moment
                weight.sub_(rate * change)

    def _gradient_at(
        self,
        batch: Batch,
        weights: list[Tensor],
        kept: list[Tensor],
        vector: list[Tensor],
        radius: float,
    ) -> Tensor:
        """Return the numbers' gradient of the weights' loss, a step along the vector away."""
        _set(weights, [was + radius * part for was, part in zip(kept, vector, strict=True)])
        logits = self.network.mixture(batch.images, self.mixed())
        (found,) = torch.autograd.grad(F.cross_entropy(logits, batch.labels), [self.alphas])
        return found


def _set(weights: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


METHOD = SecondOrderDarts
