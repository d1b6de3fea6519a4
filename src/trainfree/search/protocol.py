"""What a search algorithm is: something that is asked for architectures and told their fitness.

An algorithm never sees a file, a clock or a budget. It gets fitness values, larger is better, in
whatever unit the signal has: percent for trained accuracy, the score itself for a proxy. NaN means
that the architecture failed; it is worse than everything, -inf included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from trainfree.errors import ConfigError, near_match
from trainfree.spaces.nasbench201.space import MutationRule

BLOCK = 256
"""Steps for which random numbers are drawn at a time.

A fixed number, so that the first N steps of a run do not depend on how many follow.
"""


class Space(Protocol):
    """What the algorithms need of a search space."""

    @property
    def name(self) -> str:
        """The space's name."""
        ...

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations an edge may carry."""
        ...

    @property
    def edges(self) -> int:
        """Number of edges of a cell."""
        ...

    def __len__(self) -> int: ...

    def index_of(self, digits: Sequence[int]) -> int:
        """Return the index of an architecture given by its operation code on each edge."""
        ...

    def to_string(self, index: int) -> str:
        """Return an architecture's string form."""
        ...

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        ...

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return an architecture that differs from ``index`` in exactly one edge."""
        ...


class SearchAlgorithm(Protocol):
    """One run of a search algorithm.

    Parameters
    ----------
    space
        The search space.
    rng
        The run's own random stream; the only source of randomness.
    settings
        An instance of :attr:`settings_type`, a frozen dataclass.
    """

    settings_type: ClassVar[type[Any]]

    def __init__(self, space: Space, rng: np.random.Generator, settings: Any) -> None: ...

    def ask(self) -> int:
        """Return the index of the architecture to evaluate next; ``tell`` has to follow."""
        ...

    def tell(self, index: int, fitness: float) -> None:
        """Take in the fitness of the architecture that ``ask`` returned last."""
        ...


def fitness_rank(fitness: float) -> tuple[bool, float]:
    """Return a sort key with which NaN (failed) is below every number, -inf included."""
    return (False, 0.0) if math.isnan(fitness) else (True, fitness)


def make_settings(
    name: str, algorithm: type[SearchAlgorithm], values: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return the settings object of an algorithm, and all its values with defaults filled in.

    Raises
    ------
    ConfigError
        When a key is not a setting of the algorithm or a value is out of range.
    """
    kind = algorithm.settings_type
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    for key in values:
        if key not in known:
            raise ConfigError(
                f"search.{name}: unknown setting {key!r}{near_match(key, known)}; "
                f"expected one of: {', '.join(known) or 'none, there is nothing to set'}"
            )
    settings = kind(**values)
    return settings, asdict(settings)
