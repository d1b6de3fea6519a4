"""The section about searches under costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainfree.config.section import ONCE, Counts, Name, Names, Runs, Section, Share
from trainfree.errors import ConfigError, near_match
from trainfree.search.fronts.plan import FrontsPlan
from trainfree.trainings import ACCURACY

Value = Annotated[float, Field(gt=0, le=1e15)]
Population = Annotated[int, Field(ge=4, le=10_000)]
"""Pairs of parents are drawn by tournaments."""


class ParetoConfig(Section):
    """Searches for Pareto fronts and within limits, on the first data set (target ``pareto``)."""

    costs: Names = Field(
        default=[
            *("latency-edge-gpu", "latency-raspberry-pi-4", "latency-pixel-3", "energy-eyeriss"),
            *("params", "deployed-quantised-after-training"),
        ],
        description="Costs beside accuracy: params, flops, latency-<device>, energy-<device>, or "
        "deployed-<what was done>, an accuracy.",
    )
    guides: Names = Field(
        default=[ACCURACY, "naswot", "synflow", "params", "flops"],
        description="What guides the searches: accuracy, or proxies of scoring.proxies.",
    )
    runs: Runs = Field(default=50, description="Independent runs of each search.")
    budgets: Counts = Field(
        default=[100, 1000],
        description="Numbers N of evaluated architectures after which a run is read out.",
    )
    population: Population = Field(default=50, description="Architectures alive in NSGA-II.")
    quantiles: Annotated[list[Share], *ONCE] = Field(
        default=[0.25, 0.5],
        description="Limits by their share: so much of the space, best by cost, is within one.",
    )
    limits: dict[Name, Annotated[list[Value], *ONCE]] = Field(
        default={}, description="Further limits by cost, in its units (ms, mJ, numbers, percent)."
    )
    reference_quantile: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.5,
        description="The quantile of the space's accuracies at which hypervolumes begin.",
    )

    @model_validator(mode="after")
    def _limits_are_of_costs(self) -> ParetoConfig:
        for cost in self.limits:
            if cost not in self.costs:
                hint = near_match(cost, self.costs)
                raise ConfigError(
                    f"pareto.limits: {cost!r} is not among pareto.costs{hint}: "
                    f"{', '.join(self.costs)}"
                )
        return self

    def check(self, sample: int | None) -> None:
        """Check what the section says by itself, and that not a ``sample`` is scored.

        Raises
        ------
        ConfigError
            Naming the key that is wrong.
        """
        for cost in self.costs:
            self.plan(cost).check()
        if sample:
            raise ConfigError(
                "pareto: searches under costs need the scores of all architectures; leave "
                "scoring.sample out, or the section pareto"
            )

    @property
    def proxies(self) -> list[str]:
        """The guides that are proxies."""
        return [guide for guide in self.guides if guide != ACCURACY]

    def plan(self, cost: str) -> FrontsPlan:
        """Return what decides the searches under one cost."""
        return FrontsPlan(
            cost=cost,
            guides=tuple(self.guides),
            runs=self.runs,
            budgets=tuple(sorted(self.budgets)),
            population=self.population,
            quantiles=tuple(self.quantiles),
            limits=tuple(self.limits.get(cost, [])),
            reference_quantile=self.reference_quantile,
        )
