"""Regularized (ageing) evolution.

Source: Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture
Search", AAAI 2019, algorithm 1. The published settings:

- ``nasbench201``, ``nats``: population 10, tournament 3 drawn with replacement, the node-then-edge
  mutation, as in the scripts of NAS-Bench-201 (which stop before an evaluation that does not fit)
  and of NATS-Bench (whose tables interpolate at the budget).
- ``cossu``: Cossu, Dimonte and Presti, "Training Free Neural Architecture Search", section
  III B: pool 64, tournament 20. Its "maximum population size" of 1000 is the number of
  architectures looked at, a budget. The paper names its settings as the examples of Abdelfattah
  et al. do, so the rest (tournament without replacement, edges mutated uniformly) is theirs.
- ``zerocost``: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, examples of
  the published code: pool 64, tournament 10 without replacement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.protocol import BLOCK, Preset, fitness_rank, require_at_least, require_at_most
from trainfree.spaces.protocol import MutationRule, Space

MUTATIONS: tuple[str, ...] = get_args(MutationRule)


@dataclass(frozen=True)
class ReaSettings:
    """Settings of regularized evolution.

    ``population`` architectures are alive; the parent is the best of a tournament of ``sample``
    of them, drawn with or without ``replacement``; ``mutation`` is a rule of the space.
    """

    population: int = 10
    sample: int = 3
    replacement: bool = True
    mutation: MutationRule = "node_then_edge"

    def __post_init__(self) -> None:
        require_at_least(1, population=self.population, sample=self.sample)
        require_at_most(10_000, population=self.population, sample=self.sample)
        if not self.replacement and self.sample > self.population:
            raise ConfigError(
                f"sample: expected at most the population of {self.population}, of which it is "
                f"drawn without replacement, found {self.sample}"
            )
        if self.mutation not in MUTATIONS:
            raise ConfigError(
                f"mutation: expected one of {', '.join(MUTATIONS)}, found {self.mutation!r}"
            )


POOL_64 = {"population": 64, "replacement": False, "mutation": "edge"}


class RegularizedEvolution:
    """Evolution in which the oldest dies, not the worst.

    The first ``population`` architectures are random. After that each step mutates the best of a
    tournament (the one drawn first among equals) and the oldest of the population is removed.
    """

    settings_type: ClassVar[type[Any]] = ReaSettings
    presets: ClassVar[Mapping[str, Preset]] = {
        "nasbench201": Preset(),
        "nats": Preset(overshoot="interpolate"),
        "cossu": Preset({**POOL_64, "sample": 20}),
        "zerocost": Preset({**POOL_64, "sample": 10}),
    }
    assisted = False
    rung = 0

    def __init__(self, space: Space, rng: np.random.Generator, settings: ReaSettings) -> None:
        self._space, self._rng, self._settings = space, rng, settings
        self._alive: deque[tuple[tuple[bool, float], int]] = deque(maxlen=settings.population)
        self._tournaments = _tournaments(settings, rng)

    def ask(self) -> int:
        """Return a random architecture, or the mutated winner of a tournament."""
        alive = self._alive
        if len(alive) < self._settings.population:
            return self._newcomer()
        rank, parent = alive[0]
        for number, place in enumerate(next(self._tournaments)):
            rival = alive[place]
            if number == 0 or rival[0] > rank:
                rank, parent = rival
        return self._child(parent)

    def tell(self, index: int, fitness: float) -> None:
        """Add the youngest member; when the population is full, the oldest falls out."""
        self._alive.append((fitness_rank(fitness), index))

    def retell(self, fitness: NDArray[np.float64]) -> None:
        """Compare from now on by what the fitness has become."""
        alive = self._alive
        latest = fitness[-len(alive) :].tolist()
        members = zip(map(fitness_rank, latest), [index for _, index in alive], strict=True)
        self._alive = deque(members, maxlen=alive.maxlen)

    def _newcomer(self) -> int:
        """Return the next member of the first population."""
        return self._space.sample(self._rng)

    def _child(self, parent: int) -> int:
        """Return a mutation of the parent; how far it goes is the space's to say."""
        return self._space.mutate(parent, self._rng, self._settings.mutation)


def _tournaments(settings: ReaSettings, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield the places, 0 the oldest, of the members that meet in each tournament."""
    everyone = np.tile(np.arange(settings.population), (BLOCK, 1))
    while True:
        if settings.replacement:
            places = rng.integers(settings.population, size=(BLOCK, settings.sample))
        else:
            places = rng.permuted(everyone, axis=1)[:, : settings.sample]
        yield from places.tolist()


ALGORITHM = RegularizedEvolution
