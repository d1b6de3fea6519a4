"""Numbers that decide how tables are made: resamples, draws, margins; and what forests learn."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from trainfree.settings import STRICT, Settings

OutcomeKind = Literal["accuracy", "deployed_accuracy", "latency", "energy"]
"""What is known of trained networks: their accuracy, and of a space with a hardware file more."""
GRAF, PROXIES, BOTH = "GRAF", "proxies", "GRAF and proxies"
FEATURE_SETS = (GRAF, PROXIES, BOTH)
"""What forests learn from."""


@dataclass(frozen=True, config=STRICT)
class AnalysisSettings(Settings):
    """Settings of the tables that stand beside the papers'.

    Attributes
    ----------
    seed
        The root seed.
    bootstrap_resamples
        Bootstrap resamples behind each 95 % interval.
    tau_draws
        How often the paper's draw of at most 1,000 architectures is repeated.
    margin_percent, margin_correlation, margin_score
        Largest difference that counts as equal: percentage points of mean accuracy; tau or r;
        a fraction of a published mean score.
    coarsest
        A cell whose two standard errors are more than this many margins tells nothing.
    """

    called: ClassVar[str] = "settings of the tables"
    seed: int = 0
    bootstrap_resamples: int = 200
    tau_draws: int = 200
    margin_percent: float = 0.5
    margin_correlation: float = 0.03
    margin_score: float = 0.01
    coarsest: float = 6.0


@dataclass(frozen=True, config=STRICT)
class LearnedSettings(Settings):
    """What decides how forests learn from a few trainings.

    Attributes
    ----------
    kind
        What they predict.
    seed
        The root seed.
    draws, trainings, trees
        Draws of the trained architectures, how many those are, and trees of a forest.
    subset
        The named part of the space that is looked at; all of it if empty.
    """

    called: ClassVar[str] = "settings of the learned baseline"
    kind: OutcomeKind
    seed: int = 0
    draws: int = 50
    trainings: tuple[int, ...] = (32, 128, 1024)
    trees: int = 100
    subset: str = ""
