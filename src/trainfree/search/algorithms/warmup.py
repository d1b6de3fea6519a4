"""Regularized evolution with a zero-cost warm-up: many architectures scored, the best trained.

Source: Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR
2021; the numbers are those of the examples in the published code: 3000 random
architectures scored, pool 64, tournament 10 without replacement, edges mutated uniformly. The
mechanism is that of ``area``; only the scale differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from trainfree.search.algorithms.area import AreaSettings, AssistedEvolution
from trainfree.search.protocol import Preset
from trainfree.spaces.protocol import MutationRule


@dataclass(frozen=True)
class WarmupSettings(AreaSettings):
    """Those of assisted evolution with the published numbers."""

    population: int = 64
    sample: int = 10
    mutation: MutationRule = "edge"
    scored: int = 3000


class WarmedUpEvolution(AssistedEvolution):
    """Evolution that starts from the best of thousands of random architectures by a proxy."""

    settings_type = WarmupSettings
    presets: ClassVar[Mapping[str, Preset]] = {"zerocost": Preset()}


ALGORITHM = WarmedUpEvolution
