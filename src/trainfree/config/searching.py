"""Sections about searches, and about NAS-Bench-101, which brings its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from trainfree.config.section import (
    Batch,
    Counts,
    FilePaths,
    Name,
    Names,
    Positive,
    Runs,
    Seconds,
    Section,
)
from trainfree.scoring.settings.initialization import Initialization
from trainfree.search.plan import SearchPlan, make_plan
from trainfree.search.protocol import Overshoot
from trainfree.trainings import ACCURACY


class SearchEntry(Section):
    """One search. Settings of its algorithm may stand beside these keys and win over a preset."""

    model_config = ConfigDict(
        extra="allow", strict=True, validate_default=True, allow_inf_nan=False
    )

    algorithm: Name = Field(description="Search algorithm.")
    preset: Name | None = Field(
        default=None, description="Published settings of the algorithm, by their source's name."
    )
    signal: Name = Field(
        default=ACCURACY,
        description="What guides the search: accuracy, a proxy, or a combination of proxies.",
    )
    proxy: Name | None = Field(
        default=None, description="Proxy that assists area, warmup and move."
    )
    budgets: Counts | None = Field(
        default=None, description="Numbers of evaluations, instead of search.budgets."
    )
    budget_seconds: Seconds | None = Field(
        default=None, description="Seconds of simulated training, instead of budgets."
    )
    overshoot: Overshoot | None = Field(
        default=None,
        description="What happens to the evaluation that passes budget_seconds; the preset's rule "
        "where it is not given.",
    )
    runs: Runs | None = Field(default=None, description="Runs, instead of search.runs.")


def _default_searches() -> dict[str, SearchEntry | None]:
    """Return three algorithms, each guided by trained accuracy and by two proxies."""
    return {
        algorithm if signal == ACCURACY else f"{algorithm}-{signal}": SearchEntry(
            algorithm=algorithm, signal=signal
        )
        for algorithm in ("random", "rea", "reinforce")
        for signal in (ACCURACY, "naswot", "synflow")
    }


def _nasbench101_searches() -> dict[str, SearchEntry | None]:
    """Return those of the NASWOT paper's Table 1, in this space's own mutation."""
    common: dict[str, Any] = {"runs": 50, "mutation": "published", "budget_seconds": 12000.0}
    entries: dict[str, dict[str, Any]] = {
        "rea": {"algorithm": "rea", "overshoot": "allow"},
        "area-naswot": {"algorithm": "area", "preset": "naswot", "proxy": "naswot"},
    }
    return {name: SearchEntry(**entry, **common) for name, entry in entries.items()}


def _plans(
    searches: Mapping[str, SearchEntry | None],
    where: str,
    runs: int = 500,
    budgets: Sequence[int] = (10, 100, 1000),
) -> dict[str, SearchPlan]:
    entries = {name: entry for name, entry in searches.items() if entry is not None}
    return {
        name: make_plan(
            name, entry.model_dump(exclude_none=True), runs=runs, budgets=budgets, where=where
        )
        for name, entry in entries.items()
    }


class SearchConfig(Section):
    """Search runs over the stored scores."""

    runs: Runs = Field(default=500, description="Independent runs of each search.")
    budgets: Counts = Field(
        default=[10, 100, 1000],
        description="Numbers N of evaluated architectures after which a run is read out.",
    )
    extra: FilePaths = Field(
        default=[],
        description="Python files with search algorithms of your own, as seen from the working "
        "folder; an algorithm has its file's name. Installed packages with an entry point in "
        "trainfree.search need not be named.",
    )
    searches: dict[str, SearchEntry | None] = Field(
        default_factory=_default_searches,
        description="Searches by name; null drops one that an earlier file named.",
    )

    def plans(self) -> dict[str, SearchPlan]:
        """Return the plan of each search, checked and with presets filled in.

        Raises
        ------
        ConfigError
            Naming the key that is wrong.
        """
        return _plans(self.searches, "search.searches", self.runs, self.budgets)


Cells = Annotated[int, Field(ge=1, le=423_624)]
"""Of NAS-Bench-101, which has so many."""


class NasBench101Config(Section):
    """Scores of NAS-Bench-101 cells on CIFAR-10 (target ``nasbench101_scores``)."""

    proxies: Names = Field(
        default=["naswot", "synflow", "params", "flops", "relu_units"],
        description="Proxies to compute.",
    )
    sample: Cells = Field(
        default=1000, description="Cells to score, drawn uniformly from all 423,624."
    )
    first_hashes: Cells = Field(
        default=10_000,
        description="A second sample of that size is drawn from so many cells that stand first in "
        "the published table, as the NASWOT paper's was.",
    )
    batch_size: Batch = Field(default=128, description="Images; the NASWOT paper used 128.")
    initialization: Initialization = Field(
        default="kaiming",
        description="How the weights are drawn; the NASWOT paper's code draws normal ones for "
        "this space, whose scale batch normalisation removes.",
    )
    shard_size: Positive = Field(default=50, description="Cells per job.")
    searches: dict[str, SearchEntry | None] = Field(
        default_factory=_nasbench101_searches,
        description="Searches of the space by name; a proxy that assists draws from the sample.",
    )

    def plans(self) -> dict[str, SearchPlan]:
        """Return the plan of each search; ConfigError names the key that is wrong."""
        return _plans(self.searches, "nasbench101.searches")
