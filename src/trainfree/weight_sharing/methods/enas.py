"""ENAS: a controller that learns which architectures the shared weights serve best.

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018; the script
``exps/NAS-Bench-201-algos/ENAS.py``. In an epoch the weights are trained by architectures that the
controller draws, then the controller by REINFORCE with the accuracy of drawn architectures, each
on a batch of its own. The answer is the best of drawn ones. The script differs in details: its
controller has two layers, its baseline stays what it was at the end of the epoch before, and the
entropy in its reward has a gradient. Here controller and REINFORCE are as in the paper's own code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.controller import Controller, Reinforce
from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import BETA, BLOCK, Method, Trained
from trainfree.weight_sharing.presets import EnasSettings


class Enas(Method):
    """Weights and controller in turn."""

    validated = "the choice"
    settings: EnasSettings

    def _begin(self, seed: int) -> None:
        count, edges, settings = len(self.space.operations), self.space.edges, self.settings
        self.controller = Controller(
            [count] * edges, [0] * edges, hidden=settings.hidden, seed=seed
        ).to(self.device)
        self.reinforce = Reinforce(
            self.controller,
            torch.optim.Adam(
                self.controller.parameters(),
                lr=settings.controller_learning_rate,
                betas=(settings.controller_beta, BETA),
                eps=settings.controller_epsilon,
            ),
            baseline_decay=settings.baseline_decay,
            entropy_weight=settings.entropy_weight,
            clip=settings.controller_clip or None,
        )

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Train the weights with all images, then the controller."""
        seen, generator = Trained(Meter(), Meter()), feed.generator("sampled")
        for batch in feed.of_weights():
            with clock.phase("weights"):
                logits = self.network.chosen(batch.images, self._sampled(1, generator)[0])
                self.step_weights(logits, batch, seen.weights)
        batches = feed.compared(augmented=True)
        with clock.phase("architecture"):
            for _ in range(self.settings.controller_steps):
                sample = self.controller.sample(self.settings.controller_samples, generator)
                rewards = []
                with self.network.evaluating():
                    for digits in sample.choices.tolist():
                        batch = next(batches)
                        logits = self.network.chosen(batch.images, digits)
                        right = (logits.argmax(dim=1) == batch.labels).float().mean()
                        rewards.append(right)
                        seen.architecture.add(logits, batch.labels, float("nan"))
                self.reinforce.update(sample, torch.stack(rewards))
        return seen

    def choose(self, feed: Feed, *, last: bool = False) -> int:
        """Return the best of some architectures that the controller draws."""
        count = self.settings.last_samples if last else self.settings.samples
        drawn = self._sampled(count, feed.generator("candidates"))
        candidates = np.array([self.space.index_of(one) for one in drawn])
        return self.best_of(candidates, feed, augmented=True)  # as its script does

    def probabilities(self) -> NDArray[np.float64]:
        """Return how likely each operation is on each edge, summed over all architectures."""
        digits = torch.tensor(list(self.space))
        found: NDArray[np.float64] = np.zeros((self.space.edges, len(self.space.operations)))
        with torch.no_grad():
            for block in torch.split(digits, BLOCK):
                likely = self.controller.rate(block).log_probability.double().exp().cpu().numpy()
                for edge, codes in enumerate(block.T.numpy()):
                    found[edge] += np.bincount(codes, likely, minlength=found.shape[1])
        found /= found.sum(axis=1, keepdims=True)
        return found

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return {**super().state_dict(), "reinforce": self.reinforce.state_dict()}

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        super().load_state_dict(state)
        self.reinforce.load_state_dict(state["reinforce"])

    def _sampled(self, count: int, generator: torch.Generator) -> list[list[int]]:
        with torch.no_grad():
            found: list[list[int]] = self.controller.sample(count, generator).choices.tolist()
        return found


METHOD = Enas
