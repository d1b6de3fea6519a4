"""GDAS: differentiable sampling of one operation on each edge.

Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", CVPR 2019, section
3.2; the script ``exps/NAS-Bench-201-algos/GDAS.py``. Every pass draws an architecture by the Gumbel
trick. Forward only that one is computed; backward the numbers of operations get the gradient of
the softmax (straight through). The temperature falls from epoch to epoch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import AlphaMethod, Trained
from trainfree.weight_sharing.presets import GdasSettings
from trainfree.weight_sharing.supernet import Digits


class Gdas(AlphaMethod):
    """One drawn architecture a pass, with gradients for all numbers."""

    validated = "architectures drawn by their probabilities, one a batch"
    settings: GdasSettings

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self.tau = self.settings.tau

    def begin_epoch(self, number: int) -> None:
        """Set the rate and the temperature."""
        super().begin_epoch(number)
        first, last = self.settings.tau, self.settings.last_tau
        self.tau = first - (first - last) * number / max(self.settings.epochs - 1, 1)

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Alternate; every pass draws anew."""
        seen, generator = Trained(Meter(), Meter()), feed.generator("sampled")
        for batch in feed.of_weights():
            with clock.phase("weights"):
                digits, hard = straight_through(self.alphas.detach(), self.tau, generator)
                logits = self.network.chosen(batch.images, digits, hard)
                self.step_weights(logits, batch, seen.weights)
            other = feed.of_architecture(len(batch.labels))
            with clock.phase("architecture"):
                digits, hard = straight_through(self.alphas, self.tau, generator)
                logits = self.network.chosen(other.images, digits, hard)
                self.descend(logits, other, seen.architecture)
        return seen

    def validation_logits(self, images: Tensor, choice: int, generator: torch.Generator) -> Tensor:
        """Return those of a drawn architecture."""
        digits, _ = straight_through(self.alphas.detach(), self.tau, generator)
        return self.network.chosen(images, digits)


def straight_through(
    alphas: Tensor, tau: float, generator: torch.Generator
) -> tuple[Digits, Tensor]:
    """Draw an operation on each edge, by the softmax of ``alphas`` whatever the temperature.

    Parameters
    ----------
    alphas
        (edges, operations).
    generator
        Of the CPU.

    Returns
    -------
    tuple
        The operations, and (edges, operations) one for those drawn and zero for the others, with
        the gradient of softmax((log p + Gumbel noise) / tau).
    """
    while True:
        exponential = torch.empty(alphas.shape, dtype=alphas.dtype)
        noise = -exponential.exponential_(generator=generator).log()
        soft = torch.softmax((alphas.log_softmax(dim=1) + noise.to(alphas.device)) / tau, dim=1)
        if bool(torch.isfinite(noise).all()) and bool(torch.isfinite(soft).all()):
            break
    drawn = soft.detach().argmax(dim=1, keepdim=True)
    hard = torch.zeros_like(soft).scatter(1, drawn, 1.0)
    digits: list[int] = drawn[:, 0].tolist()
    return digits, hard - soft.detach() + soft


METHOD = Gdas
