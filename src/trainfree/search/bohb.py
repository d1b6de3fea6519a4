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

Where it differs: the package lets a bandwidth grow beyond (c-1)/c for c operations, where the
kernel turns over and prefers what is unlike the data; here it ends there, at the uniform density.
And the kernel knows all c operations of an edge, not only those seen so far.

NATS-Bench's script reads the accuracy after 1, 4 and 12 epochs of one training. Benchmark files
here hold no learning curves, so there is no preset of that name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.search.protocol import Preset, Space, fitness_rank, require_at_least

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int64]
DENSITY_FLOOR = 1e-32
Evaluation = tuple[tuple[bool, float], int]


@dataclass(frozen=True)
class BohbSettings:
    """Settings of BOHB.

    ``eta`` and ``rungs`` make the brackets; ``candidates`` are drawn for each proposal; a share
    ``random_fraction`` of proposals ignores the model; ``top_percent`` of a rung are good;
    bandwidths are at least ``min_bandwidth``.
    """

    eta: int = 3
    rungs: int = 3
    candidates: int = 4
    random_fraction: float = 0.0
    top_percent: int = 15
    min_bandwidth: float = 0.3

    def __post_init__(self) -> None:
        require_at_least(2, eta=self.eta)
        require_at_least(1, rungs=self.rungs, candidates=self.candidates)
        if not 0 < self.top_percent < 100:
            raise ConfigError(f"top_percent: expected 1 to 99, found {self.top_percent}")
        for key in ("random_fraction", "min_bandwidth"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key}: expected 0 to 1, found {getattr(self, key)}")


class Bohb:
    """Hyperband whose newcomers come from a model of the highest rung that has enough data."""

    settings_type = BohbSettings
    presets: ClassVar[Mapping[str, Preset]] = {"nasbench201": Preset()}
    assisted = False

    def __init__(self, space: Space, rng: np.random.Generator, settings: BohbSettings) -> None:
        self._space, self._rng, self._settings = space, rng, settings
        self.rung = 0
        self._stages = _stages(settings)
        self._missing = 0
        self._promoted: list[int] = []
        self._stage: list[Evaluation] = []
        self._models = [RungModel(space, settings) for _ in range(settings.rungs)]

    def ask(self) -> int:
        """Return a newcomer of the bracket's first rung, or the next that was promoted."""
        if self._missing == 0:
            self._begin_stage()
        self._missing -= 1
        return self._promoted.pop(0) if self._promoted else self._propose()

    def tell(self, index: int, fitness: float) -> None:
        """Note the result on its rung; a model is kept only for the highest rung that has one."""
        rank = fitness_rank(fitness)
        self._stage.append((rank, index))
        if not any(model.ready for model in self._models[self.rung + 1 :]):
            self._models[self.rung].add(index, rank)

    def _begin_stage(self) -> None:
        """Go to the next rung with the best of the last one, or to a new bracket."""
        begins_bracket, self.rung, self._missing = next(self._stages)
        best = sorted(self._stage, key=lambda evaluation: evaluation[0], reverse=True)
        self._stage = []
        if not begins_bracket:
            self._promoted = [index for _, index in best[: self._missing]]

    def _propose(self) -> int:
        ready = [model for model in self._models if model.ready]
        if not ready or self._rng.random() < self._settings.random_fraction:
            return self._space.sample(self._rng)
        return self._space.index_of(ready[-1].propose(self._rng).tolist())


class RungModel:
    """Densities of the good and of the other architectures of one rung."""

    def __init__(self, space: Space, settings: BohbSettings) -> None:
        self._space, self._settings = space, settings
        self._codes: list[tuple[int, ...]] = []
        self._ranks: list[tuple[bool, float]] = []
        self._densities: tuple[Density, Density] | None = None

    @property
    def ready(self) -> bool:
        """Whether both densities have more points than there are edges."""
        return len(self._codes) >= 2 * (self._space.edges + 1)

    def add(self, index: int, rank: tuple[bool, float]) -> None:
        """Take in one evaluation."""
        self._codes.append(self._space.digits(index))
        self._ranks.append(rank)
        self._densities = None

    def propose(self, rng: np.random.Generator) -> CodeArray:
        """Return (edge,) the operation codes of the most promising candidate."""
        self._densities = self._densities or self._fit()
        good, bad = self._densities
        candidates = good.sample(self._settings.candidates, rng)
        ratio = np.maximum(good(candidates), DENSITY_FLOOR)
        ratio /= np.maximum(bad(candidates), DENSITY_FLOOR)
        chosen: CodeArray = candidates[ratio.argmax()]
        return chosen

    def _fit(self) -> tuple[Density, Density]:
        count = len(self._codes)
        least, percent = self._space.edges + 1, self._settings.top_percent
        good = max(least, percent * count // 100)
        bad = max(least, (100 - percent) * count // 100)
        best_first = sorted(range(count), key=self._ranks.__getitem__, reverse=True)
        codes = np.array(self._codes, dtype=np.int64)[best_first]
        operations, floor = len(self._space.operations), self._settings.min_bandwidth
        return (
            Density(codes[:good], operations, floor),
            Density(codes[good : good + bad], operations, floor),
        )


class Density:
    """Kernel density of categorical data: the mean over points of a product over edges.

    Parameters
    ----------
    points
        (point, edge) operation codes.
    operations
        Number of operations an edge may carry.
    min_bandwidth
        Least bandwidth of an edge, as long as that is not more than uniform.
    """

    def __init__(self, points: CodeArray, operations: int, min_bandwidth: float) -> None:
        count, edges = points.shape
        spread: FloatArray = points.std(axis=0)
        bandwidth = 1.06 * spread * count ** (-1 / (4 + edges))
        uniform = (operations - 1) / operations
        self.bandwidth: FloatArray = np.minimum(np.maximum(bandwidth, min_bandwidth), uniform)
        self._points, self._operations = points, operations

    def __call__(self, codes: CodeArray) -> FloatArray:
        """Return (candidate,) the density at (candidate, edge) operation codes."""
        other = self.bandwidth / (self._operations - 1)
        same = codes[:, np.newaxis, :] == self._points
        density: FloatArray = np.where(same, 1 - self.bandwidth, other).prod(axis=2).mean(axis=1)
        return density

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


def _stages(settings: BohbSettings) -> Iterator[tuple[bool, int, int]]:
    """Yield whether a bracket begins, the rung and the number of architectures, for ever."""
    while True:
        for bracket in brackets(settings):
            for place, (rung, count) in enumerate(bracket):
                yield place == 0, rung, count


ALGORITHM = Bohb
