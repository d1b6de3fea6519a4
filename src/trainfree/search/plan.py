"""A search as it is configured, and the plan that follows: presets filled in, everything checked.

An entry of the configuration's ``search.searches`` is a mapping. Besides the keys of
:data:`ENTRY_KEYS` it may hold settings of its algorithm, which win over those of its preset.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, get_args

from pydantic.dataclasses import dataclass

from trainfree import combinations, search, spaces
from trainfree.combinations import COMBINATION_NAMES, proxies_of
from trainfree.errors import ConfigError, UnknownNameError, shown
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash
from trainfree.search import ALGORITHM_NAMES, load_algorithm
from trainfree.search.budget import MOST_EVALUATIONS, Budget, Evaluations, Seconds
from trainfree.search.protocol import Overshoot, SearchAlgorithm, find_preset, make_settings
from trainfree.settings import STRICT, Settings
from trainfree.trainings import ACCURACY

NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
LARGEST_SETTING = 1_000_000
"""Warm-ups and the like: more than any space here has architectures."""
OVERSHOOTS: tuple[str, ...] = get_args(Overshoot)
ENTRY_KEYS = (
    *("algorithm", "preset", "signal", "proxy"),
    *("budgets", "budget_seconds", "overshoot", "runs"),
)


@dataclass(frozen=True, config=STRICT)
class SearchPlan(Settings):
    """What decides the runs of one search, besides the space, the data and the seed.

    Attributes
    ----------
    name
        The search's name, which is also its file's.
    algorithm, preset
        One of ``trainfree.search.algorithm_names``, and where its settings come from or "".
    signal
        ``"accuracy"`` or the name of the proxy, or combination of proxies, that guides the search.
    proxy
        The proxy that assists, "" for an algorithm without assistance.
    counts
        Numbers of evaluations after which a run is read out; empty for a budget of seconds.
    seconds, overshoot
        The budget of seconds and its rule; None and "" for a budget of evaluations.
    runs
        Number of independent runs.
    settings
        All settings of the algorithm.
    """

    called: ClassVar[str] = "search plan"
    name: str
    algorithm: str
    preset: str
    signal: str
    proxy: str
    counts: tuple[int, ...]
    seconds: float | None
    overshoot: str
    runs: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def proxies(self) -> list[str]:
        """The proxies whose scores the search reads."""
        names = [*proxies_of(self.signal), self.proxy]
        return [name for name in dict.fromkeys(names) if name not in (ACCURACY, "")]

    @property
    def budget(self) -> Budget:
        """The budget of each run."""
        if self.seconds is None:
            return Evaluations(self.counts)
        return Seconds(self.seconds, self.overshoot)  # type: ignore[arg-type]


def search_code_hash(plan: SearchPlan, space: str) -> str:
    """Return the hash of all code that decides what a search does in ``space``."""
    return code_hash(
        "trainfree.search.run",
        *search.modules_of(plan.algorithm),
        *combinations.modules_of(plan.signal),
        *spaces.encoding_modules(space),
        outside=outside_code(search.ALGORITHM_KIND, [plan.algorithm])
        | outside_code(spaces.SPACE_KIND, [space]),
    )


def make_plan(
    name: str,
    entry: Mapping[str, Any],
    *,
    runs: int,
    budgets: Sequence[int],
    where: str = "search.searches",
) -> SearchPlan:
    """Return the plan of an entry of ``search.searches``.

    Parameters
    ----------
    runs, budgets
        Used where the entry does not say otherwise.
    where
        The configuration key that holds the entry, for messages.

    Raises
    ------
    ConfigError
        Naming the key of the entry that is wrong.
    """
    where = f"{where}.{name}"
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: expected a name of lower-case letters, digits and _, in parts joined by -, "
            f"found {name!r}"
        )
    algorithm_name = entry.get("algorithm")
    if not isinstance(algorithm_name, str):
        raise ConfigError(f"{where}.algorithm: expected a name, found {algorithm_name!r}")
    try:
        algorithm = load_algorithm(algorithm_name)
    except UnknownNameError as error:
        raise ConfigError(f"{where}.algorithm: {error}") from error
    preset_name = entry.get("preset") or ""
    preset = find_preset(where, algorithm, preset_name)
    own = {key: value for key, value in entry.items() if key not in ENTRY_KEYS}
    _check_sizes(where, own)
    _, settings = make_settings(where, algorithm, {**preset.settings, **own})
    signal, proxy = entry.get("signal") or ACCURACY, entry.get("proxy") or ""
    _check_assistance(where, algorithm_name, algorithm.assisted, proxy)
    _check_combined(where, algorithm_name, algorithm, signal, proxy)
    seconds = _seconds(where, entry, signal)
    overshoot = entry.get("overshoot") or preset.overshoot
    counts = () if seconds is not None else _counts(where, entry.get("budgets") or budgets)
    runs = _runs(where, entry.get("runs") or runs)
    if counts and runs * counts[-1] > MOST_EVALUATIONS:
        raise ConfigError(
            f"{where}: expected at most {MOST_EVALUATIONS:,} evaluations of all runs together, "
            f"whose traces are in memory at once, found {runs:,} runs of {counts[-1]:,}; give "
            "fewer runs or smaller budgets"
        )
    return SearchPlan(
        name=name,
        algorithm=algorithm_name,
        preset=preset_name,
        signal=signal,
        proxy=proxy,
        counts=counts,
        seconds=seconds,
        overshoot=_overshoot(where, overshoot) if seconds is not None else "",
        runs=runs,
        settings=settings,
    )


def _check_sizes(where: str, settings: Mapping[str, Any]) -> None:
    """Refuse numbers that no setting of any algorithm takes."""
    for key, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}.{key}: expected a finite number, found {value}")
        if isinstance(value, int) and abs(value) > LARGEST_SETTING:
            raise ConfigError(
                f"{where}.{key}: expected a number of at most {LARGEST_SETTING}, found "
                f"{shown(value)}"
            )


def _check_assistance(where: str, algorithm: str, assisted: bool, proxy: str) -> None:
    if assisted and not proxy:
        raise ConfigError(
            f"{where}.proxy: {algorithm} is assisted by a proxy; name one of scoring.proxies"
        )
    if proxy and not assisted:
        raise ConfigError(
            f"{where}.proxy: {algorithm} takes no assistance, found {proxy!r}; a proxy that "
            "guides a search is its 'signal'"
        )


def _check_combined(
    where: str, name: str, algorithm: type[SearchAlgorithm], signal: str, proxy: str
) -> None:
    if proxy in COMBINATION_NAMES:
        raise ConfigError(
            f"{where}.proxy: expected a proxy, which scores an architecture by itself, found the "
            f"combination {proxy}, which ranks many; name one of its parts "
            f"({', '.join(proxies_of(proxy))}), or let it guide the search (signal: {proxy})"
        )
    if signal in COMBINATION_NAMES and not hasattr(algorithm, "retell"):
        able = [own for own in ALGORITHM_NAMES if hasattr(load_algorithm(own), "retell")]
        raise ConfigError(
            f"{where}.signal: {signal} ranks its parts among all that the run has looked at, so "
            f"that what {name} was told changes later, and it has no method retell to hear of it; "
            f"choose one of {', '.join(able)}, or be guided by one proxy "
            f"({', '.join(proxies_of(signal))})"
        )


def _seconds(where: str, entry: Mapping[str, Any], signal: str) -> float | None:
    seconds = entry.get("budget_seconds")
    if seconds is None:
        if entry.get("overshoot") is not None:
            raise ConfigError(
                f"{where}.overshoot: belongs to budget_seconds, which is not given; a number of "
                "evaluations is never overshot"
            )
        return None
    if entry.get("budgets") is not None:
        raise ConfigError(f"{where}: give either budgets or budget_seconds, found both")
    if signal != ACCURACY:
        raise ConfigError(
            f"{where}.budget_seconds: counts the training that a search does, and one guided by "
            f"{signal} trains nothing; give budgets, numbers of evaluations"
        )
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigError(f"{where}.budget_seconds: expected more than 0, found {seconds!r}")
    return float(seconds)


def _counts(where: str, budgets: Sequence[int]) -> tuple[int, ...]:
    counts = tuple(sorted(budgets))
    if not counts or counts[0] < 1 or len(set(counts)) < len(counts):
        raise ConfigError(
            f"{where}.budgets: expected numbers of at least 1, each once, found {list(budgets)}"
        )
    return counts


def _overshoot(where: str, rule: str) -> str:
    if rule not in OVERSHOOTS:
        raise ConfigError(f"{where}.overshoot: {UnknownNameError('rule', rule, OVERSHOOTS)}")
    return rule


def _runs(where: str, runs: int) -> int:
    if runs < 1:
        raise ConfigError(f"{where}.runs: expected at least 1, found {runs}")
    return runs
