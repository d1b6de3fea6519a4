"""A space, spies and fitnesses for the tests of search algorithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np

from trainfree.search.budget import asked
from trainfree.search.protocol import PaidScores, Run
from trainfree.spaces import load_space

SPACE = load_space("nasbench201_mini")
BAD = (math.nan, -math.inf)


class SpySpace:
    """A space that remembers who was mutated into whom."""

    def __init__(self) -> None:
        self.mutations: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(SPACE)

    def sample(self, rng):
        return SPACE.sample(rng)

    def mutate(self, index, rng, rule):
        child = SPACE.mutate(index, rng, rule)
        self.mutations.append((index, child))
        return child


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_fitness(seed: int = 1, bad: float = 0.0) -> list[float]:
    draws = rng(seed)
    values = draws.uniform(10, 95, len(SPACE)).round(0)  # rounding makes ties
    values[draws.random(len(SPACE)) < bad / 2] = math.nan
    values[draws.random(len(SPACE)) < bad / 2] = -math.inf
    return values.tolist()


def assistance(kind, scores: list[float] | None = None) -> list[PaidScores]:
    """The scores of a proxy for an algorithm that takes them; each costs one second."""
    if not kind.assisted:
        return []
    return [PaidScores(scores or random_fitness(seed=9, bad=0.2), [1.0] * len(SPACE))]


def run_once(algorithm: Run, fitness: Sequence[float], steps: int) -> list[int]:
    """The architectures that a fresh algorithm asks for in its first ``steps`` steps."""
    return list(islice(asked(algorithm, fitness), steps))
