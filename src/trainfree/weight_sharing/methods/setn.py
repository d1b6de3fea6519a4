"""SETN: a self-evaluated template network.

Dong and Yang, "One-Shot Neural Architecture Search via Self-Evaluated Template Network", ICCV 2019,
section 3; the script ``exps/NAS-Bench-201-algos/SETN.py``. Weights are trained by architectures
drawn uniformly, so that none is favoured; the numbers of operations learn through the mixture. The
answer is the best of the likeliest architectures, each evaluated on one batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.method import AlphaMethod, Trained
from trainfree.weight_sharing.presets import SetnSettings


class Setn(AlphaMethod):
    """Uniform steps of the weights, and the best of the likeliest architectures."""

    validated = "the choice"
    settings: SetnSettings

    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Alternate."""
        seen, generator = Trained(Meter(), Meter()), feed.generator("sampled")
        for batch in feed.of_weights():
            with clock.phase("weights"):
                logits = self.network.chosen(batch.images, self.random_digits(generator))
                self.step_weights(logits, batch, seen.weights)
            other = feed.of_architecture(len(batch.labels))
            with clock.phase("architecture"):
                logits = self.network.mixture(other.images, self.mixed())
                self.descend(logits, other, seen.architecture)
        return seen

    def choose(self, feed: Feed, *, last: bool = False) -> int:
        """Return the best of the ``samples`` likeliest architectures."""
        return self.best_of(likeliest(self.probabilities(), self.settings.samples), feed)


def likeliest(probabilities: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the ``count`` architectures of the largest products, the largest first.

    Parameters
    ----------
    probabilities
        (edges, operations).
    """
    logarithms = np.zeros(1)
    for edge in np.log(probabilities):
        logarithms = (logarithms[:, None] + edge).reshape(-1)  # in the order of the space
    return np.argsort(-logarithms, kind="stable")[:count]


METHOD = Setn
