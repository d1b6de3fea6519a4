"""What decides the searches under one cost."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from trainfree import search, spaces
from trainfree.errors import ConfigError
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash
from trainfree.search.budget import MOST_EVALUATIONS
from trainfree.search.fronts.costs import check_cost
from trainfree.settings import STRICT, Settings

FRONT_SEARCHES = ("random", "nsga2")
LIMIT_SEARCHES = ("random", "rea")
"""Searches for fronts, and for the best within a limit."""


@dataclass(frozen=True, config=STRICT)
class FrontsPlan(Settings):
    """What decides the searches under one cost, besides the space, the data and the seed.

    Attributes
    ----------
    cost
        A name of ``costs.py``.
    guides
        ``"accuracy"``, and names of proxies.
    runs
        Independent runs of each search.
    budgets
        Numbers of evaluations after which a run is read out, ascending.
    population
        Of NSGA-II.
    quantiles
        Limits: the shares of the space, best by cost, that are within them.
    limits
        Further limits, in the cost's units.
    reference_quantile
        The quantile of the space that is the reference point's accuracy.
    """

    called: ClassVar[str] = "plan of searches under a cost"
    cost: str
    guides: tuple[str, ...]
    runs: int
    budgets: tuple[int, ...]
    population: int
    quantiles: tuple[float, ...]
    limits: tuple[float, ...]
    reference_quantile: float

    def check(self) -> None:
        """Check what no type says.

        Raises
        ------
        ConfigError
            Naming the key of the section ``pareto`` that is wrong.
        """
        try:
            check_cost(self.cost)
        except ConfigError as error:
            raise ConfigError(f"pareto.costs: {error}") from error
        if self.runs * self.budgets[-1] * len(self.guides) > MOST_EVALUATIONS:
            raise ConfigError(
                f"pareto: expected at most {MOST_EVALUATIONS:,} evaluations of all runs and guides "
                f"together, found {self.runs:,} runs of {self.budgets[-1]:,} with "
                f"{len(self.guides)} guides; give fewer runs or smaller budgets"
            )


def fronts_code_hash(space: str) -> str:
    """Return the hash of all code that decides what searches under a cost do in ``space``."""
    return code_hash(
        "trainfree.search.fronts.run",
        *(name for algorithm in LIMIT_SEARCHES for name in search.modules_of(algorithm)),
        *spaces.encoding_modules(space),
        outside=outside_code(spaces.SPACE_KIND, [space]),
    )
