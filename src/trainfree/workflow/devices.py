"""What scoring jobs ask the scheduler for, and what they are told about GPUs.

How a GPU is used changes no score, but for the precision. So none of it is a parameter of a rule,
which would run jobs again: they are resources. A file tells its precision itself, by its code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainfree.config.scoring import ScoringConfig
from trainfree.scoring.jobs.demand import job_memory_mb
from trainfree.scoring.jobs.devices import gpus_per_job
from trainfree.scoring.settings.setting import Setting, scoring_work

_CONTEXT_MB, _PLANNER_MB = 3000, 200
"""Of CUDA in a process, and of each process that plans groups. The first is a guess."""
SettingOf = Callable[[Any], Setting]
"""Returns a job's setting by its wildcards."""


@dataclass(frozen=True)
class Devices:
    """Functions of the wildcards for the rules of scoring.

    Parameters
    ----------
    scoring
        That section of the configuration.
    """

    scoring: ScoringConfig

    def gpus(self, setting: SettingOf) -> Callable[[Any], int]:
        """Return how many GPUs, or parts of one, a job asks for."""
        return lambda wildcards: gpus_per_job(self.scoring.device, scoring_work(setting(wildcards)))

    def gpus_of_training(self, wildcards: Any) -> int:
        """Return the same of a job that trains."""
        return gpus_per_job(self.scoring.device)

    def threads(self, setting: SettingOf) -> Callable[[Any], int]:
        """Return how many processor threads a job has: more than one beside a GPU only."""
        gpus = self.gpus(setting)
        return lambda wildcards: self.scoring.gpu_threads if gpus(wildcards) else 1

    def memory_mb(self, setting: SettingOf) -> Callable[[Any], int]:
        """Return megabytes of the host's memory that a job asks for; more beside a GPU."""
        gpus = self.gpus(setting)
        beside = _CONTEXT_MB + _PLANNER_MB * self.scoring.gpu_threads

        def asked(wildcards: Any) -> int:
            own = job_memory_mb(setting(wildcards))
            return own + beside if gpus(wildcards) else own

        return asked

    def torch_threads(self, setting: SettingOf) -> Callable[[Any, int], int]:
        """Return how many of its threads torch may use: one beside a GPU."""
        gpus = self.gpus(setting)
        return lambda wildcards, threads: 1 if gpus(wildcards) else threads
