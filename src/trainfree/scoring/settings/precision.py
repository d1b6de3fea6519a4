"""How exactly a GPU multiplies, and what a job may use of one. Needs no other package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "tf32x3", "tf32"]
"""``float32``: as the CPU. ``tf32x3``: three products of halves, nearly as exact. ``tf32``: one."""


@dataclass(frozen=True)
class GroupOptions:
    """How a job uses a GPU; of these ``precision`` alone changes scores.

    Attributes
    ----------
    precision
        Of convolutions.
    memory
        Share of the GPU's memory that a group may take, above 0, at most 1.
    threads
        Processor threads that plan groups and compute determinants.
    """

    precision: Precision = "tf32x3"
    memory: float = 0.5
    threads: int = 4
