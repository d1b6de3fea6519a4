"""What a search algorithm is: something that is asked for architectures and told their fitness.

An algorithm never sees a file, a clock or a budget. It gets fitness values, larger is better, in
whatever unit the signal has: percent for trained accuracy, the score itself for a proxy. NaN means
that the architecture failed; it is worse than everything, -inf included.

Where a combination of proxies guides, architectures are ranked among those that the run has looked
at, so that each evaluation changes the fitness of those before it. An algorithm that has the method
``retell`` is told the fitness of all of them anew after each ``tell``; one without it can only be
guided by a fitness that stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError, UnknownNameError, near_match
from trainfree.outside.foreign import ForeignError, contained, shown, whole_number, words_of
from trainfree.spaces.protocol import EdgeSpace, Space

BLOCK = 256
"""Steps for which random numbers are drawn at a time.

A fixed number, so that the first N steps of a run do not depend on how many follow.
"""

Overshoot = Literal["stop_before", "allow", "interpolate"]
"""What happens to the evaluation that passes the end of a budget of seconds, see ``budget.py``."""


@dataclass(frozen=True)
class Preset:
    """Published hyper-parameters: settings by name, and what the source does at the budget's end.

    Settings that are left out have their defaults.
    """

    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    overshoot: Overshoot = "stop_before"


class PaidScores:
    """The scores of the assisting proxy in one run; each look-up is charged its measured time.

    Parameters
    ----------
    scores, seconds
        By architecture index: the score, NaN where it failed, and what scoring took.
    scored
        The architectures that have a score, where only a sample of the space has one.
    """

    def __init__(
        self,
        scores: Sequence[float],
        seconds: Sequence[float],
        scored: Sequence[int] | None = None,
    ) -> None:
        self._scores, self._seconds, self._scored = scores, seconds, scored
        self._known = None if scored is None else frozenset(scored)
        self._spent = 0.0

    @property
    def spent(self) -> float:
        """Seconds paid so far."""
        return self._spent

    def draw(self, space: Space, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly from those that can be scored.

        The scored ones being a uniform sample of the space, so is what is drawn from them.
        """
        if self._scored is None:
            return space.sample(rng)
        return self._scored[int(rng.integers(len(self._scored)))]

    def rank(self, index: int) -> tuple[bool, float]:
        """Score an architecture and return a sort key, see :func:`fitness_rank`.

        Raises
        ------
        ConfigError
            When it is no architecture, or has no score because only a sample was scored.
        """
        if type(index) is not int or not 0 <= index < len(self._scores):
            index = self._checked(index)
        if self._known is not None and index not in self._known:
            raise ConfigError(
                f"architecture {index} has no score, only a sample of {len(self._known)} has; "
                "score the whole space, or use an algorithm that scores nothing but its first "
                "architectures, such as area"
            )
        self._spent += self._seconds[index]
        return fitness_rank(self._scores[index])

    def _checked(self, index: object) -> int:
        found = whole_number(index)
        if found is None or not 0 <= found < len(self._scores):
            raise ConfigError(
                "rank: expected the index of an architecture, a whole number from 0 to "
                f"{len(self._scores) - 1}, found {shown(index)}"
            )
        return found


class Run(Protocol):
    """What is asked of a run once it has begun; see :class:`SearchAlgorithm`."""

    @property
    def rung(self) -> int:
        """Standing of the evaluation asked for last."""
        ...

    def ask(self) -> int:
        """Return the index of the architecture to evaluate next."""
        ...

    def tell(self, index: int, fitness: float) -> None:
        """Take in its fitness."""
        ...


class Retold(Protocol):
    """What an algorithm has besides if it can be guided by a fitness that changes."""

    def retell(self, fitness: NDArray[np.float64]) -> None:
        """Take in the fitness of all evaluations so far, in their order.

        Called after each ``tell`` where a combination guides, and never else. Larger is better,
        NaN is one that failed; only the order means anything.
        """
        ...


class SearchAlgorithm(Protocol):
    """One run of a search algorithm. It may be :class:`Retold` besides.

    Parameters
    ----------
    space
        The search space.
    rng
        The run's own random stream; the only source of randomness.
    settings
        An instance of :attr:`settings_type`, a frozen dataclass.
    scores
        For an algorithm that is ``assisted`` by a proxy, and only for such a one.
    """

    settings_type: ClassVar[type[Any]]
    presets: ClassVar[Mapping[str, Preset]]
    assisted: ClassVar[bool]

    def __init__(
        self, space: Space, rng: np.random.Generator, settings: Any, *scores: PaidScores
    ) -> None: ...

    @property
    def rung(self) -> int:
        """Standing of the evaluation asked for last; 0 where all evaluations count alike.

        A run's answer is the best evaluation of the highest rung that it has reached.
        """
        ...

    def ask(self) -> int:
        """Return the index of the architecture to evaluate next; ``tell`` has to follow."""
        ...

    def tell(self, index: int, fitness: float) -> None:
        """Take in the fitness of the architecture that ``ask`` returned last."""
        ...


def fitness_rank(fitness: float) -> tuple[bool, float]:
    """Return a sort key with which NaN (failed) is below every number, -inf included."""
    return (False, 0.0) if math.isnan(fitness) else (True, fitness)


def find_preset(where: str, algorithm: type[SearchAlgorithm], name: str) -> Preset:
    """Return a published preset of an algorithm, or its defaults for an empty name.

    Raises
    ------
    ConfigError
        When nothing of that name is published for the algorithm; lists what is.
    """
    if not name:
        return Preset()
    if name not in algorithm.presets:
        unknown = UnknownNameError("preset", name, algorithm.presets)
        raise ConfigError(f"{where}.preset: {unknown}")
    return algorithm.presets[name]


def make_settings(
    where: str, algorithm: type[SearchAlgorithm], values: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return the settings object of an algorithm, and all its values with defaults filled in.

    Parameters
    ----------
    where
        The configuration key that holds ``values``, for messages.

    Raises
    ------
    ConfigError
        When a key is not a setting of the algorithm or a value is of the wrong type or range.
    """
    kind = algorithm.settings_type
    defaults = {
        entry.name: entry.default if entry.default_factory is MISSING else entry.default_factory()
        for entry in fields(kind)
    }
    for key, value in values.items():
        if key not in defaults:
            raise ConfigError(
                f"{where}: unknown key or setting {key!r}{near_match(key, list(defaults))}; "
                f"settings are: {', '.join(defaults) or 'none, there is nothing to set'}"
            )
        if not _has_type_of(value, defaults[key]):
            raise ConfigError(
                f"{where}.{key}: expected a value like {defaults[key]!r}, found {value!r}"
            )
    try:
        settings = kind(**values) if _is_own(kind) else _made_by_others(kind, values)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from error
    return settings, asdict(settings)


def _is_own(kind: type[Any]) -> bool:
    return kind.__module__.startswith("trainfree.")


def _made_by_others(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Make settings of an algorithm from outside, whose checks may raise anything."""
    try:
        with contained():
            return kind(**values)
    except ForeignError as error:
        if issubclass(type(error.raised), ConfigError):
            raise ConfigError(words_of(error.raised)) from error
        raise ConfigError(f"{kind.__name__}: {error}") from error


def require_at_least(minimum: int, **values: int) -> None:
    """Refuse settings that are too small.

    Raises
    ------
    ConfigError
        Naming the first setting that is below ``minimum``.
    """
    for key, value in values.items():
        if value < minimum:
            raise ConfigError(f"{key}: expected at least {minimum}, found {value}")


def require_at_most(maximum: int, **values: int) -> None:
    """Refuse settings that are too large to be meant: a step would take hours, or all memory.

    Raises
    ------
    ConfigError
        Naming the first setting that is above ``maximum``.
    """
    for key, value in values.items():
        if value > maximum:
            raise ConfigError(f"{key}: expected at most {maximum}, found {value}")


def with_edges(space: Space, algorithm: str) -> EdgeSpace:
    """Return the space as one of fixed edges.

    Raises
    ------
    ConfigError
        When the algorithm does not apply, since it chooses an operation for each edge and the
        space's cells have no fixed ones.
    """
    if isinstance(space, EdgeSpace):
        return space
    raise ConfigError(
        f"{algorithm} chooses an operation for each of a fixed number of edges, which cells of "
        f"{space.name} do not have; choose an algorithm that samples and mutates whole cells, "
        "such as random, rea or area"
    )


def _has_type_of(value: object, default: object) -> bool:
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))
