"""Numbers that decide how tables are made: resamples, draws and the verdicts' margins."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from trainfree.errors import ConfigError


@dataclass(frozen=True)
class AnalysisSettings:
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

    seed: int = 0
    bootstrap_resamples: int = 200
    tau_draws: int = 200
    margin_percent: float = 0.5
    margin_correlation: float = 0.03
    margin_score: float = 0.01
    coarsest: float = 6.0

    @classmethod
    def from_json(cls, text: str) -> AnalysisSettings:
        """Return the settings that a command line gives; those left out have their defaults.

        Raises
        ------
        ConfigError
            When it is not JSON or names an unknown setting.
        """
        known = [field.name for field in fields(cls)]
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"settings of the tables: not JSON ({error}): {text!r}") from error
        if not isinstance(values, dict) or not set(values) <= set(known):
            raise ConfigError(
                f"settings of the tables: expected some of {', '.join(known)}, found {text}"
            )
        return cls(**values)
