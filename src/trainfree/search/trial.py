"""Trying a search algorithm on an artificial fitness, without files or a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainfree.combinations import load_combination
from trainfree.combinations.history import History, Ordering, ordering_of
from trainfree.errors import ConfigError
from trainfree.outside.extensions import load_files
from trainfree.randomness import stream
from trainfree.search import load_algorithm
from trainfree.search.budget import Evaluations, Record, record
from trainfree.search.protocol import PaidScores, make_settings
from trainfree.search.watched import Watch, is_foreign
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.space import CellSpace

SPACE = "nasbench201_mini"
SIZE = 729
"""Architectures of the space ``nasbench201_mini``, which is searched."""


@dataclass(frozen=True)
class Trial:
    """The architectures a run asked for, in order, and the fitness it was told of each."""

    asked: list[int]
    fitness: list[float]


def artificial_fitness() -> list[float]:
    """Return one value an architecture, better with more convolutions; nothing was trained.

    Small differences by architecture keep them apart.
    """
    order = stream(0, "trial-fitness").permutation(SIZE) / SIZE
    worth = (sum(digits) for digits in CellSpace.mini())
    return [value + 2.0 * place for value, place in zip(worth, order.tolist(), strict=True)]


def try_search(
    name: str,
    file: Path | None = None,
    *,
    steps: int = 100,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    fitness: Sequence[float] | None = None,
    combination: str | None = None,
) -> Trial:
    """Do one run on the space ``nasbench201_mini`` of 729 architectures.

    Parameters
    ----------
    name
        Name of the algorithm.
    file
        Its file, for an algorithm outside the suite.
    settings
        What differs from the algorithm's defaults.
    fitness
        One value an architecture; :func:`artificial_fitness` where it is not given.
    combination
        A combination of proxies that guides the run instead, each of its parts the fitness with
        noise of its own. For algorithms with a method ``retell``.

    Raises
    ------
    UnknownNameError
        When there is no such algorithm or combination.
    ConfigError
        When the file cannot be loaded, a setting is wrong or ``retell`` is missing, or when
        the algorithm raises, or answers anything but an architecture, or takes another way when it
        is run again.
    """
    if file is not None:
        load_files([file])
    algorithm = load_algorithm(name)
    chosen, _ = make_settings(name, algorithm, settings or {})
    told = tuple(fitness or artificial_fitness())
    space = load_space(SPACE)
    ordering = None if combination is None else _ordering(combination, told)
    if ordering is not None and not hasattr(algorithm, "retell"):
        raise ConfigError(f"{name} has no method retell, which combination={combination!r} needs")
    watch = Watch(name, SPACE, SIZE)

    def run() -> Record:
        scores = PaidScores(told, (1.0,) * SIZE) if algorithm.assisted else None
        assisting = [] if scores is None else [scores]
        searcher = watch.begin(
            0,
            seed,
            lambda: algorithm(deepcopy(space), stream(seed, "trial"), deepcopy(chosen), *assisting),
        )
        history = None if ordering is None else History(ordering, steps)
        return record(searcher, told, (0.0,) * SIZE, scores, Evaluations((steps,)), history)

    with watch.kept("try_search"):
        first = run()
        if is_foreign(name, SPACE):
            watch.require_same(first, run())
    return Trial(first.arch, [told[index] for index in first.arch])


def _ordering(combination: str, fitness: Sequence[float]) -> Ordering:
    """Return the order of architectures by parts that each see the fitness through noise."""
    declared = load_combination(combination)
    noise = stream(0, "trial-parts").normal(size=(SIZE, len(declared.parts)))
    return ordering_of(declared, np.array(fitness)[:, np.newaxis] + noise)
