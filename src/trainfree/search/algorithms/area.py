"""Assisted regularized evolution: a proxy chooses the first population.

Source: Mellor, Turner, Storkey and Crowley, "Neural Architecture Search without Training", ICML
2021, section 4.1 and algorithm 2: 20 random architectures are scored, the 10 best are trained as
the first population, tournaments are drawn without replacement, and evolution goes on while the
time lasts, so that the last evaluation may pass the limit. The paper does not say how large the
tournament is nor how it mutates; both are taken from the NAS-Bench-201 scripts (3, node then
edge), whose bookkeeping the authors' code uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainfree.errors import ConfigError
from trainfree.search.algorithms.rea import ReaSettings, RegularizedEvolution
from trainfree.search.protocol import PaidScores, Preset
from trainfree.spaces.protocol import Space


@dataclass(frozen=True)
class AreaSettings(ReaSettings):
    """Those of regularized evolution, and ``scored``: of how many the proxy chooses the first."""

    replacement: bool = False
    scored: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scored < self.population:
            raise ConfigError(
                f"scored: expected at least the population of {self.population}, which is chosen "
                f"from them, found {self.scored}"
            )


class AssistedEvolution(RegularizedEvolution):
    """Evolution that starts from the best of ``scored`` random architectures by a proxy.

    All of them are scored before the first is trained. The best becomes the oldest member and so
    the first to die; the one drawn first is the better of equals, and a failed score is the worst.
    """

    settings_type = AreaSettings
    presets: ClassVar[Mapping[str, Preset]] = {"naswot": Preset(overshoot="allow")}
    assisted = True

    def __init__(
        self, space: Space, rng: np.random.Generator, settings: AreaSettings, scores: PaidScores
    ) -> None:
        super().__init__(space, rng, settings)
        drawn = [scores.draw(space, rng) for _ in range(settings.scored)]
        ranked = sorted(((scores.rank(index), index) for index in drawn), key=_rank, reverse=True)
        self._chosen = iter([index for _, index in ranked[: settings.population]])

    def _newcomer(self) -> int:
        return next(self._chosen)


def _rank(scored: tuple[tuple[bool, float], int]) -> tuple[bool, float]:
    return scored[0]


ALGORITHM = AssistedEvolution
