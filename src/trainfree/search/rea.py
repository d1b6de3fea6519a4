"""Regularized (ageing) evolution.

Source: Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture
Search", AAAI 2019, algorithm 1. Population 10, tournament 3 drawn with replacement and the
node-then-edge mutation are those of the NATS-Bench scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np

from trainfree.errors import ConfigError
from trainfree.search.protocol import BLOCK, Space, fitness_rank
from trainfree.spaces.nasbench201.space import MutationRule

MUTATIONS: tuple[str, ...] = get_args(MutationRule)


@dataclass(frozen=True)
class ReaSettings:
    """Settings of regularized evolution.

    ``population`` architectures are alive; the parent is the best of ``sample`` of them, drawn
    with replacement; ``mutation`` is a rule of the space.
    """

    population: int = 10
    sample: int = 3
    mutation: MutationRule = "node_then_edge"

    def __post_init__(self) -> None:
        for key in ("population", "sample"):
            if getattr(self, key) < 1:
                raise ConfigError(
                    f"search.rea.{key}: expected at least 1, found {getattr(self, key)}"
                )
        if self.mutation not in MUTATIONS:
            raise ConfigError(
                f"search.rea.mutation: expected one of {', '.join(MUTATIONS)}, "
                f"found {self.mutation!r}"
            )


class RegularizedEvolution:
    """Evolution in which the oldest dies, not the worst.

    The first ``population`` architectures are random. After that each step mutates the best of a
    tournament (the one drawn first among equals) and the oldest of the population is removed.
    """

    settings_type = ReaSettings

    def __init__(self, space: Space, rng: np.random.Generator, settings: ReaSettings) -> None:
        self._space, self._rng, self._settings = space, rng, settings
        self._alive: deque[tuple[tuple[bool, float], int]] = deque(maxlen=settings.population)
        self._tournaments = _tournaments(settings, rng)

    def ask(self) -> int:
        """Return a random architecture, or the mutated winner of a tournament."""
        alive, settings = self._alive, self._settings
        if len(alive) < settings.population:
            return self._space.sample(self._rng)
        rank, parent = alive[0]
        for number, place in enumerate(next(self._tournaments)):
            rival = alive[place]
            if number == 0 or rival[0] > rank:
                rank, parent = rival
        return self._space.mutate(parent, self._rng, settings.mutation)

    def tell(self, index: int, fitness: float) -> None:
        """Add the youngest member; when the population is full, the oldest falls out."""
        self._alive.append((fitness_rank(fitness), index))


def _tournaments(settings: ReaSettings, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield the places, 0 the oldest, of the members that meet in each tournament."""
    while True:
        yield from rng.integers(settings.population, size=(BLOCK, settings.sample)).tolist()


ALGORITHM = RegularizedEvolution
