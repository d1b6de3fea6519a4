"""BOHB: Hyperband's brackets, filled by a kernel density model of the good and the bad.

Source: Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at
Scale", ICML 2018, as the NAS-Bench-201 script runs its authors' package. That package has not
changed since 2018 and needs an interface that ConfigSpace has dropped, so this is our own.
What is taken from the two:

- Brackets. With eta 3 and budgets from 12 to 200 there are three rungs; the brackets start with
  9, 3 and 3 architectures on the first, second and third rung, and one in three is promoted.
- What a rung costs. The script trains every architecture for the same 12 epochs, whatever its
  rung: a promotion asks for the same training again, pays for it in full and learns nothing new.
- The answer is the best architecture of the highest rung, not of all that were trained.
- The model. For each rung, the best max(7, 15 %) and the rest are two densities, products over
  edges of Aitchison and Aitken's kernel with the bandwidth 1.06 s n^(-1/(4+d)) of the operation
  codes and at least 0.3. The highest rung with 14 architectures is modelled; before that,
  architectures are random.
- A proposal. Of 4 candidates the one with the largest ratio of densities is taken; each is a good
  architecture whose edges are redrawn with a probability equal to their bandwidth.

The package lets a bandwidth grow beyond (c-1)/c for c operations, where the kernel turns over and
prefers what is unlike the data. The preset follows it (``bounded: false``), since the published
accuracies show it; by default a bandwidth ends at the uniform density. In one thing this differs
always: the kernel knows all c operations of an edge, not only those seen so far.

NATS-Bench's script reads the accuracy after 1, 4 and 12 epochs of one training. Benchmark files
here hold no learning curves, so there is no preset of that name.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.protocol import (
    Preset,
    fitness_rank,
    require_at_least,
    require_at_most,
    with_edges,
)
from trainfree.spaces.protocol import EdgeSpace, Space

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int64]
DENSITY_FLOOR = 1e-32
LARGEST_BRACKET = 10_000_000
"""Architectures of the first bracket; more than any space has."""
Evaluation = tuple[tuple[bool, float], int]


@dataclass(frozen=True)
class BohbSettings:
    """Settings of BOHB.

    ``eta`` and ``rungs`` make the brackets; ``candidates`` are drawn for each proposal; a share
    ``random_fraction`` of proposals ignores the model; ``top_percent`` of a rung are good;
    bandwidths are at least ``min_bandwidth`` and, if ``bounded``, at most uniform.
    """

    eta: int = 3
    rungs: int = 3
    candidates: int = 4
    random_fraction: float = 0.0
    top_percent: int = 15
    min_bandwidth: float = 0.3
    bounded: bool = True

    def __post_init__(self) -> None:
        require_at_least(2, eta=self.eta)
        require_at_least(1, rungs=self.rungs, candidates=self.candidates)
        require_at_most(20, rungs=self.rungs)
        require_at_most(10_000, candidates=self.candidates)
        if self.rungs * self.eta ** (self.rungs - 1) > LARGEST_BRACKET:
            raise ConfigError(
                f"eta: expected a first bracket of at most {LARGEST_BRACKET} architectures, found "
                f"{self.rungs} * {self.eta}^{self.rungs - 1}"
            )
        if not 0 < self.top_percent < 100:
            raise ConfigError(f"top_percent: expected 1 to 99, found {self.top_percent}")
        for key in ("random_fraction", "min_bandwidth"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key}: expected 0 to 1, found {getattr(self, key)}")


class Bohb:
    """Hyperband whose newcomers come from a model of the highest rung that has enough data."""

    settings_type = BohbSettings
    presets: ClassVar[Mapping[str, Preset]] = {
        "nasbench201": Preset({"bounded": False}),
        "nats": Preset({"bounded": False}, overshoot="interpolate"),
    }
    assisted = False

    def __init__(self, space: Space, rng: np.random.Generator, settings: BohbSettings) -> None:
        self._space = with_edges(space, "bohb")
        self._rng, self._settings = rng, settings
        self.rung = 0
        self._stages = _stages(settings)
        self._missing = 0
        self._waiting: list[int] = []
        self._stage: list[Evaluation] = []
        self._models = [RungModel(self._space, settings) for _ in range(settings.rungs)]

    def ask(self) -> int:
        """Return a newcomer of the bracket's first rung, or the next that was promoted."""
        if self._missing == 0:
            self._begin_stage()
        if not self._waiting:
            self._waiting = self._newcomers()
        self._missing -= 1
        return self._waiting.pop(0)

    def tell(self, index: int, fitness: float) -> None:
        """Note the result on its rung; a model is kept only for the highest rung that has one."""
        rank = fitness_rank(fitness)
        self._stage.append((rank, index))
        if not any(model.ready for model in self._models[self.rung + 1 :]):
            self._models[self.rung].add(self._space.digits(index), rank)

    def _begin_stage(self) -> None:
        """Go to the next rung with the best of the last one, or to a new bracket."""
        begins_bracket, self.rung, self._missing = next(self._stages)
        if not begins_bracket:
            best = sorted(self._stage, key=_rank, reverse=True)
            self._waiting = [index for _, index in best[: self._missing]]
        self._stage = []

    def _newcomers(self) -> list[int]:
        """Return architectures that are new: all of the stage where its results change no model."""
        rung = max((i for i, model in enumerate(self._models) if model.ready), default=None)
        if rung is None or self._rng.random() < self._settings.random_fraction:
            return [self._space.sample(self._rng)]
        settled = rung > self.rung and self._settings.random_fraction == 0
        proposed = self._models[rung].propose(self._missing if settled else 1, self._rng)
        return [self._space.index_of(codes) for codes in proposed.tolist()]


class RungModel:
    """Densities of the good and of the other architectures of one rung."""

    def __init__(self, space: EdgeSpace, settings: BohbSettings) -> None:
        self._least, self._operations = space.edges + 1, len(space.operations)
        self._settings = settings
        self._order: list[tuple[bool, float, int]] = []
        self._codes: CodeArray = np.empty((0, space.edges), dtype=np.int64)
        self._densities: tuple[Density, Density] | None = None

    @property
    def ready(self) -> bool:
        """Whether both densities have more points than there are edges."""
        return len(self._order) >= 2 * self._least

    def add(self, codes: Sequence[int], rank: tuple[bool, float]) -> None:
        """Put one evaluation in its place: best first, the earlier one first among equals."""
        known, fitness = rank
        key = (not known, -fitness, len(self._order))
        place = bisect(self._order, key)
        self._order.insert(place, key)
        before, after = self._codes[:place], self._codes[place:]
        self._codes = np.concatenate([before, [codes], after])
        self._densities = None

    def propose(self, count: int, rng: np.random.Generator) -> CodeArray:
        """Return (proposal, edge) operation codes, each the most promising of its candidates."""
        self._densities = self._densities or self._fit()
        good, bad = self._densities
        candidates = good.sample(count * self._settings.candidates, rng)
        ratio = np.maximum(good(candidates), DENSITY_FLOOR)
        ratio /= np.maximum(bad(candidates), DENSITY_FLOOR)
        best = ratio.reshape(count, -1).argmax(axis=1)
        chosen: CodeArray = candidates.reshape(count, -1, candidates.shape[1])
        return np.take_along_axis(chosen, best[:, np.newaxis, np.newaxis], axis=1)[:, 0]

    def _fit(self) -> tuple[Density, Density]:
        count, percent = len(self._order), self._settings.top_percent
        good = max(self._least, percent * count // 100)
        bad = max(self._least, (100 - percent) * count // 100)
        return self._density(self._codes[:good]), self._density(self._codes[good : good + bad])

    def _density(self, codes: CodeArray) -> Density:
        settings = self._settings
        return Density(codes, self._operations, settings.min_bandwidth, bounded=settings.bounded)


class Density:
    """Kernel density of categorical data: the mean over points of a product over edges.

    Parameters
    ----------
    points
        (point, edge) operation codes.
    operations
        Number of operations an edge may carry.
    min_bandwidth
        Least bandwidth of an edge.
    bounded
        Whether a bandwidth ends at the uniform density. Beyond it the kernel may be negative.
    """

    def __init__(
        self, points: CodeArray, operations: int, min_bandwidth: float, *, bounded: bool
    ) -> None:
        count, edges = points.shape
        total, squares = np.add.reduce(points), np.add.reduce(points * points)
        spread = np.sqrt(count * squares - total * total) / count
        self.bandwidth = np.maximum(1.06 * spread * count ** (-1 / (4 + edges)), min_bandwidth)
        if bounded:
            self.bandwidth = np.minimum(self.bandwidth, (operations - 1) / operations)
        self._points, self._operations = points, operations
        codes = np.arange(operations)
        same, other = 1 - self.bandwidth, self.bandwidth / (operations - 1)
        # (edge, candidate's code, point): each kernel value once for every operation.
        equal = codes[:, np.newaxis] == points.T[:, np.newaxis, :]
        self._kernel = np.where(equal, same[:, None, None], other[:, None, None])

    def __call__(self, codes: CodeArray) -> FloatArray:
        """Return (candidate,) the density at (candidate, edge) operation codes."""
        density = self._kernel[0][codes[:, 0]]
        for edge in range(1, codes.shape[1]):
            density *= self._kernel[edge][codes[:, edge]]
        mean: FloatArray = np.add.reduce(density, axis=1) / density.shape[1]
        return mean

    def sample(self, count: int, rng: np.random.Generator) -> CodeArray:
        """Return (candidate, edge) points, each edge redrawn with its bandwidth as probability."""
        chosen: CodeArray = self._points[rng.integers(len(self._points), size=count)]
        redrawn = rng.integers(self._operations, size=chosen.shape)
        return np.where(rng.random(chosen.shape) < self.bandwidth, redrawn, chosen)


def brackets(settings: BohbSettings) -> list[list[tuple[int, int]]]:
    """Return the brackets of one round of Hyperband as (rung, architectures) stages.

    Bracket s = rungs - 1, ..., 0 begins on rung ``rungs - 1 - s`` with floor(rungs / (s + 1)) eta^s
    architectures, and one in eta goes on (Li et al., "Hyperband", JMLR 2018, as the authors of
    BOHB count).
    """
    top = settings.rungs - 1
    result = []
    for s in range(top, -1, -1):
        first = math.floor(settings.rungs / (s + 1)) * settings.eta**s
        result.append([(top - s + i, max(first // settings.eta**i, 1)) for i in range(s + 1)])
    return result


def _rank(evaluation: Evaluation) -> tuple[bool, float]:
    return evaluation[0]


def _stages(settings: BohbSettings) -> Iterator[tuple[bool, int, int]]:
    """Yield whether a bracket begins, the rung and the number of architectures, for ever."""
    while True:
        for bracket in brackets(settings):
            for place, (rung, count) in enumerate(bracket):
                yield place == 0, rung, count


ALGORITHM = Bohb
