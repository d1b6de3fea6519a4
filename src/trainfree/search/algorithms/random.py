"""Random search: every architecture of the space with equal chance, with replacement.

Source: Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI
2019; without a check for duplicates, as in the NAS-Bench-201, NATS-Bench and NASWOT scripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainfree.search.protocol import BLOCK, Preset
from trainfree.spaces.protocol import Space


@dataclass(frozen=True)
class RandomSettings:
    """Random search has nothing to set."""


class RandomSearch:
    """Uniform sampling with replacement; fitness does not steer it."""

    settings_type = RandomSettings
    presets: ClassVar[Mapping[str, Preset]] = {
        "nasbench201": Preset(),
        "nats": Preset(overshoot="interpolate"),
        "naswot": Preset(),
        "cossu": Preset(),
    }
    assisted = False
    rung = 0

    def __init__(self, space: Space, rng: np.random.Generator, settings: RandomSettings) -> None:
        self._draws = _uniform_indices(len(space), rng)

    def ask(self) -> int:
        """Return a random architecture."""
        return next(self._draws)

    def tell(self, index: int, fitness: float) -> None:
        """Ignore the fitness."""

    def retell(self, fitness: NDArray[np.float64]) -> None:
        """Ignore it again."""


def _uniform_indices(size: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.integers(size, size=BLOCK).tolist()


ALGORITHM = RandomSearch
