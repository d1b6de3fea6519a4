"""REINFORCE with one independent categorical distribution per edge.

Source: Williams, "Simple statistical gradient-following algorithms", Machine Learning 1992; the
policy, the baseline and the order of updates are those of the NATS-Bench scripts (Dong et al.,
"NATS-Bench", TPAMI 2021). One update per architecture. The two presets differ in Adam's step size,
0.5 in the command that NAS-Bench-201 documents and 0.01 in NATS-Bench's, and at the budget's end:
NAS-Bench-201's script notes the evaluation that passes it, which may win.

What is rewarded. The reward is the fitness as it is, accuracy in percent or a proxy's score. No
rescaling is needed: the baseline takes away any constant, and Adam's step is the same whatever
factor multiplies all gradients, so a proxy in the thousands and one in the tenths search alike
(a test shows it). A fitness that is not finite cannot be averaged: it counts as the worst finite
reward seen so far in the run, and leaves the policy alone as long as there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.protocol import BLOCK, Preset, with_edges
from trainfree.spaces.protocol import Space

FloatArray = NDArray[np.float64]

INITIAL_SPREAD = 1e-3
ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class ReinforceSettings:
    """Adam's step size, and the momentum of the moving-average reward baseline."""

    learning_rate: float = 0.01
    baseline_momentum: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(
                f"learning_rate: expected a positive number, found {self.learning_rate}"
            )
        if not 0 <= self.baseline_momentum < 1:
            raise ConfigError(
                "baseline_momentum: expected at least 0 and below 1, "
                f"found {self.baseline_momentum}"
            )


class Reinforce:
    """Policy gradient over the operations of each edge."""

    settings_type = ReinforceSettings
    presets: ClassVar[Mapping[str, Preset]] = {
        "nasbench201": Preset({"learning_rate": 0.5}, overshoot="allow"),
        "nats": Preset({"learning_rate": 0.01}, overshoot="interpolate"),
    }
    assisted = False
    rung = 0

    def __init__(self, space: Space, rng: np.random.Generator, settings: ReinforceSettings) -> None:
        self._space, self._settings = with_edges(space, "reinforce"), settings
        edges = self._space.edges
        shape = (edges, len(space.operations))
        self.logits: FloatArray = INITIAL_SPREAD * rng.standard_normal(shape)
        self._adam = Adam(self.logits, settings.learning_rate)
        self._baseline = MovingBaseline(settings.baseline_momentum)
        self._noise = _gumbel_noise(shape, rng)
        self._one_hot = np.eye(len(space.operations))
        self._choice: NDArray[np.intp] = np.zeros(edges, dtype=np.intp)
        self._worst = math.nan

    def ask(self) -> int:
        """Draw one operation per edge from the policy.

        The largest of logit + Gumbel noise is a draw from the softmax of the logits.
        """
        self._choice = (self.logits + next(self._noise)).argmax(axis=1)
        return self._space.index_of(self._choice.tolist())

    def tell(self, index: int, fitness: float) -> None:
        """Make one gradient step with the reward of the architecture drawn last."""
        reward = self._finite_reward(fitness)
        if math.isnan(reward):
            return
        # The baseline already knows this reward, so the first advantage is zero.
        advantage = reward - self._baseline.update(reward)
        gradient = softmax(self.logits)
        gradient -= self._one_hot.take(self._choice, axis=0)
        gradient *= advantage
        self._adam.step(gradient)

    def _finite_reward(self, fitness: float) -> float:
        if not math.isfinite(fitness):
            return self._worst
        if not self._worst <= fitness:
            self._worst = fitness
        return fitness


class MovingBaseline:
    """Exponential moving average of the reward, corrected for its start at zero."""

    def __init__(self, momentum: float) -> None:
        self._momentum, self._average, self._weight = momentum, 0.0, 0.0

    def update(self, reward: float) -> float:
        """Take in a reward and return the average, this reward included."""
        fresh = 1 - self._momentum
        self._weight = self._momentum * self._weight + fresh
        # As an increment, equal rewards give exactly their value and an advantage of zero.
        self._average += (reward - self._average) * (fresh / self._weight)
        return self._average


class Adam:
    """Adam (Kingma and Ba, ICLR 2015) on one array, changed in place.

    The moments are kept as plain decayed sums, without the factors 1 - beta, and all constants
    of a step are folded into two: the same step as published with fewer passes over the array.
    """

    def __init__(self, parameter: FloatArray, learning_rate: float) -> None:
        self._parameter, self._learning_rate, self._steps = parameter, learning_rate, 0
        self._gradients = np.zeros_like(parameter)
        self._squares = np.zeros_like(parameter)
        self._work = np.empty_like(parameter)

    def step(self, gradient: FloatArray) -> None:
        """Move against ``gradient``, which is overwritten."""
        self._steps += 1
        mean_factor = (1 - ADAM_BETA1) / (1 - ADAM_BETA1**self._steps)
        root_factor = math.sqrt((1 - ADAM_BETA2) / (1 - ADAM_BETA2**self._steps))
        self._gradients *= ADAM_BETA1
        self._gradients += gradient
        gradient *= gradient
        self._squares *= ADAM_BETA2
        self._squares += gradient
        work = np.sqrt(self._squares, out=self._work)
        work += ADAM_EPSILON / root_factor
        np.divide(self._gradients, work, out=work)
        work *= self._learning_rate * mean_factor / root_factor
        self._parameter -= work


def softmax(logits: FloatArray) -> FloatArray:
    """Return the probabilities of each row of ``logits``."""
    shifted = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= np.add.reduce(shifted, axis=1, keepdims=True)
    return shifted


def _gumbel_noise(shape: tuple[int, int], rng: np.random.Generator) -> Iterator[FloatArray]:
    while True:
        yield from rng.gumbel(size=(BLOCK, *shape))


ALGORITHM = Reinforce
