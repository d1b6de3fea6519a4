"""NSGA-II over the edges of a cell, by pymoo.

Source: Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 6(2), 2002. Non-dominated sorting, crowding
and tournaments are pymoo's. The genome is one operation for each edge, and operations have no
order: the first population is uniform, crossover takes each edge from either parent with equal
chance, and mutation gives each edge another operation with probability 1 / edges.

What counts: every architecture that is looked up, one that died out and comes back included.
Children that equal a living architecture or each other are dropped before they are looked up and
others are bred in their place, which is pymoo's rule; where a hundred attempts breed no new one,
the run ends early. A failed architecture breaks a constraint and is worse than all others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UX
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.problems.static import StaticProblem

from trainfree.search.fronts.domination import FloatArray
from trainfree.spaces.protocol import EdgeSpace


class OtherOperation(Mutation):  # type: ignore[misc]
    """Give each edge another operation, any with equal chance, with probability 1 / edges."""

    def __init__(self, operations: int) -> None:
        super().__init__()
        self._operations = operations

    def _do(
        self,
        problem: Problem,
        X: NDArray[Any],  # noqa: N803 - pymoo's name
        *args: Any,
        random_state: np.random.Generator,
        **kwargs: Any,
    ) -> NDArray[Any]:
        changed = random_state.random(X.shape) < 1 / X.shape[1]
        step = random_state.integers(1, self._operations, size=X.shape)
        return np.where(changed, (X + step) % self._operations, X)


def nsga2(
    space: EdgeSpace,
    quality: FloatArray,
    burden: FloatArray,
    *,
    evaluations: int,
    population: int,
    seed: int,
) -> list[int]:
    """Return the architectures that one run looks at, in order.

    Parameters
    ----------
    quality, burden
        (arch,) more and less is better; NaN in either: the architecture failed. -inf is a value,
        worse than every finite one.
    evaluations
        How many are looked at, at most.
    population
        How many are alive.
    seed
        Of the run's own random numbers.
    """
    objectives, failed = _objectives(quality, burden)
    problem = Problem(
        n_var=space.edges, n_obj=2, n_ieq_constr=1, xl=0, xu=len(space.operations) - 1, vtype=int
    )
    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=UX(),
        mutation=OtherOperation(len(space.operations)),
    )
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    looked_at: list[int] = []
    while len(looked_at) < evaluations:
        asked = algorithm.ask()
        if asked is None or len(asked) == 0:
            break
        arch = [space.index_of(digits) for digits in asked.get("X").astype(int).tolist()]
        looked_at += arch
        told = StaticProblem(problem, F=objectives[arch], G=failed[arch])
        Evaluator().eval(told, asked)
        algorithm.tell(infills=asked)
    return looked_at[:evaluations]


def _objectives(quality: FloatArray, burden: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (arch, 2) what NSGA-II minimises, all finite, and (arch, 1) 1 for failed ones.

    -inf becomes a number below the finite qualities by their whole range, so that differences on a
    front, which crowding needs, are finite.
    """
    failed = np.isnan(quality) | np.isnan(burden)
    known = quality[np.isfinite(quality)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    floor = low - max(high - low, 1.0)
    objectives = np.stack([-np.maximum(quality, floor), burden], axis=1)
    objectives[failed] = 0.0  # never compared: a failed one loses by its constraint
    return objectives, np.where(failed, 1.0, -1.0)[:, np.newaxis]
