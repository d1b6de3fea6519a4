"""Regularized evolution with zero-cost moves: of several mutations the best by a proxy is trained.

Source: Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR
2021; the numbers are those of the examples in the published code: all 24 neighbours of
the parent are scored, the best is taken with probability 0.75 and a random one of them otherwise;
pool 64, tournament 10 without replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainfree.errors import ConfigError
from trainfree.search.algorithms.rea import ReaSettings, RegularizedEvolution
from trainfree.search.protocol import PaidScores, Preset, require_at_least, require_at_most
from trainfree.spaces.protocol import Space


@dataclass(frozen=True)
class MoveSettings:
    """Settings of evolution with zero-cost moves.

    ``population``, ``sample`` and ``replacement`` are those of regularized evolution. ``proposals``
    different neighbours of the parent are scored, all where there are fewer; the best is taken
    with probability ``greed``, else any of them.
    """

    population: int = 64
    sample: int = 10
    replacement: bool = False
    proposals: int = 24
    greed: float = 0.75

    def __post_init__(self) -> None:
        self.evolution()
        require_at_least(1, proposals=self.proposals)
        require_at_most(10_000, proposals=self.proposals)
        if not 0 <= self.greed <= 1:
            raise ConfigError(f"greed: expected a probability from 0 to 1, found {self.greed}")

    def evolution(self) -> ReaSettings:
        """Return the settings of the evolution underneath."""
        return ReaSettings(self.population, self.sample, self.replacement, "edge")


class MovingEvolution(RegularizedEvolution):
    """Evolution whose mutations a proxy proposes.

    Every proposal is scored, whether the best or a random one is taken then; the first proposal is
    the better of equals, and a failed score is the worst.
    """

    settings_type = MoveSettings
    presets: ClassVar[Mapping[str, Preset]] = {"zerocost": Preset()}
    assisted = True

    def __init__(
        self, space: Space, rng: np.random.Generator, settings: MoveSettings, scores: PaidScores
    ) -> None:
        super().__init__(space, rng, settings.evolution())
        self._scores, self._proposals, self._greed = scores, settings.proposals, settings.greed

    def _child(self, parent: int) -> int:
        proposed = self._space.neighbours(parent)
        if self._proposals < len(proposed):
            chosen = self._rng.choice(len(proposed), self._proposals, replace=False)
            proposed = [proposed[place] for place in chosen.tolist()]
        best = max(proposed, key=self._scores.rank)
        if self._rng.random() < self._greed:
            return best
        return proposed[int(self._rng.integers(len(proposed)))]


ALGORITHM = MovingEvolution
