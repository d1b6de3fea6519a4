"""The runs of a search in which code of others takes part: every answer is checked.

An answer that is no architecture would be looked up all the same (−1 is the last, True is 1), so it
is refused, with the run and the step. That the same run goes the same way again is checked, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from trainfree.errors import ConfigError
from trainfree.outside.foreign import blamed_on, shown, whole_number
from trainfree.outside.process_state import seed_global_generators
from trainfree.search import ALGORITHM_NAMES
from trainfree.search.budget import Record
from trainfree.search.protocol import SearchAlgorithm
from trainfree.spaces import SPACE_NAMES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainfree.search.protocol import Retold

HIGHEST_RUNG = 127
"""Files hold rungs in eight bits."""


def is_foreign(algorithm: str, space: str) -> bool:
    """Whether code of others takes part in a search."""
    return algorithm not in ALGORITHM_NAMES or space not in SPACE_NAMES


@dataclass
class Watch:
    """Where the runs of a search are, for messages.

    Parameters
    ----------
    algorithm, space
        Their names.
    size
        Architectures of the space.
    """

    algorithm: str
    space: str
    size: int
    run: int = 0
    step: int = 0
    call: str = "__init__"

    def __str__(self) -> str:
        step = f" step {self.step}," if self.step else ""
        return f"algorithm {self.algorithm}: run {self.run},{step} {self.call}"

    @contextmanager
    def kept(self, where: str) -> Iterator[None]:
        """Let runs go on inside; what goes wrong is a ConfigError that says where it did."""
        with blamed_on(lambda: f"{where}: {self}"):
            yield

    def begin(self, run: int, seed: int, make: Callable[[], SearchAlgorithm]) -> WatchedRun:
        """Begin a run; what it draws from nowhere in particular is seeded, too."""
        self.run, self.step, self.call = run, 0, "__init__"
        seed_global_generators(seed)
        return WatchedRun(make(), self)

    def require_same(self, first: Record, again: Record) -> None:
        """Require that run 0, done again after all others, went the same way.

        Raises
        ------
        ConfigError
            When something is kept from run to run, or drawn from elsewhere than ``rng``.
        """
        if first == again:
            return
        ways = zip(zip(*first, strict=True), zip(*again, strict=True), strict=False)
        parted = next(
            (place for place, (one, other) in enumerate(ways) if one != other),
            min(len(first.arch), len(again.arch)),
        )
        self.step, self.call = parted + 1, "done again after the last run"
        raise ConfigError(
            "expected the same way as the first time, found another; keep nothing from run to "
            "run, in the class or the file, change nothing of the space, and draw from rng alone"
        )


class WatchedRun:
    """One run of an algorithm; each of its answers is checked before anybody uses it."""

    def __init__(self, run: SearchAlgorithm, watch: Watch) -> None:
        self._run, self._watch = run, watch

    @property
    def rung(self) -> int:
        """Standing of the evaluation asked for last."""
        self._watch.call = "rung"
        answer = self._run.rung
        found = whole_number(answer)
        if found is None or not 0 <= found <= HIGHEST_RUNG:
            raise ConfigError(
                f"expected a whole number from 0 to {HIGHEST_RUNG}, found {shown(answer)}"
            )
        return found

    def ask(self) -> int:
        """Return the index of the architecture to evaluate next."""
        self._watch.step += 1
        self._watch.call = "ask"
        answer = self._run.ask()
        found = whole_number(answer)
        if found is None or not 0 <= found < self._watch.size:
            raise ConfigError(
                f"expected the index of an architecture of {self._watch.space}, a whole number "
                f"from 0 to {self._watch.size - 1}, found {shown(answer)}"
            )
        return found

    def tell(self, index: int, fitness: float) -> None:
        """Take in the fitness of the architecture that ``ask`` returned last."""
        self._watch.call = "tell"
        self._run.tell(index, fitness)

    def retell(self, fitness: NDArray[np.float64]) -> None:
        """Take in the fitness of all evaluations so far."""
        self._watch.call = "retell"
        cast("Retold", self._run).retell(fitness)
