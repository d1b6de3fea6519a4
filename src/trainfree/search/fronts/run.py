"""The job: all searches under one cost, their fronts and their best within limits.

Every run looks scores, accuracies and costs up; nothing is scored or trained here. Random search
looks at the same architectures under every guide, so that guides differ by what they make of them.
What a search has found is the front of everything it looked at, by its guide and the cost. The
architectures on it are what one would train: their trained accuracies, less what is dominated
then, are the front that is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.outside.extensions import load_files
from trainfree.progress import track
from trainfree.provenance import canonical_json
from trainfree.randomness import stream
from trainfree.search import load_algorithm
from trainfree.search.budget import NOTHING, Evaluations, record
from trainfree.search.fronts.costs import Cost, load_cost
from trainfree.search.fronts.domination import BoolArray, FloatArray, hypervolume, non_dominated
from trainfree.search.fronts.limits import (
    NONE,
    Limit,
    accuracy_of_best,
    answers_of,
    fitness_within,
    limits_of,
)
from trainfree.search.fronts.nsga2 import nsga2
from trainfree.search.fronts.plan import FRONT_SEARCHES, FrontsPlan, fronts_code_hash
from trainfree.search.fronts.schema import Fronts, Limits, Whole, fronts_dataset
from trainfree.search.lookups import Lookups, load_lookups
from trainfree.search.protocol import with_edges
from trainfree.spaces import load_space
from trainfree.spaces.protocol import EdgeSpace

Traces = NDArray[np.int32]


@dataclass(frozen=True)
class FrontsJob:
    """One file of searches under a cost.

    Attributes
    ----------
    space, dataset
        Names of the search space and of the image data set.
    plan
        The cost, the guides, budgets and limits.
    scores, benchmark, hardware, output
        Merged scores of the whole space; trained accuracies; what networks cost on hardware, where
        the cost is of that kind; the file to write.
    seed
        The root seed.
    extra
        Files with the space, where it is not the suite's own.
    """

    space: str
    dataset: str
    plan: FrontsPlan
    scores: Path
    benchmark: Path
    hardware: Path | None
    output: Path
    seed: int
    extra: tuple[Path, ...] = ()


class Judge(NamedTuple):
    """What fronts are judged by: (arch,) accuracy and cost, the reference point, the true front."""

    accuracy: FloatArray
    cost: Cost
    known: BoolArray
    reference: tuple[float, float]
    true_front: BoolArray
    true_hypervolume: float

    def front(self, quality: FloatArray, arch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ``arch`` that none of them dominates by ``quality`` and the cost."""
        rated = arch[~np.isnan(quality[arch]) & ~np.isnan(self.cost.burden[arch])]
        return rated[non_dominated(quality[rated], self.cost.burden[rated])]

    def measure(self, quality: FloatArray, arch: NDArray[np.int64]) -> tuple[float, int, int]:
        """Return what a search has found that looked at ``arch``, each once.

        Its hypervolume in trained accuracy as a share of the true front's; how many architectures
        are on the front by ``quality``; how many of them are on that in accuracy.
        """
        found = self.front(quality, arch)
        trained = self.front(self.accuracy, found)
        area = hypervolume(self.accuracy[trained], self.cost.burden[trained], self.reference)
        return area / self.true_hypervolume, len(found), len(trained)


def run_fronts(job: FrontsJob) -> None:
    """Do all searches of a job and write its file.

    Raises
    ------
    ConfigError
        When the plan does not fit the space, or no architecture is within a limit.
    UnknownNameError
        For an unknown space, data set, guide, device or deployment.
    DataFileError
        When an input is unusable or the output cannot be written.
    """
    load_files(job.extra)
    plan, space = job.plan, with_edges(load_space(job.space), "nsga2")
    plan.check()
    if plan.budgets[-1] > len(space):
        raise ConfigError(
            f"pareto.budgets: N = {plan.budgets[-1]} is larger than the space {job.space} with "
            f"its {len(space)} architectures; choose N <= {len(space)}"
        )
    guides = {
        name: load_lookups(space, job.dataset, name, job.scores, job.benchmark)
        for name in plan.guides
    }
    cost = load_cost(plan.cost, space, job.dataset, job.benchmark, job.scores, job.hardware)
    first = next(iter(guides.values()))
    judge = judge_of(first.outcomes[:, first.headline], cost, plan.reference_quantile)
    limits = limits_of(cost, judge.known, plan.quantiles, plan.limits, job.space)
    scores = {name: lookups.fitness for name, lookups in guides.items()}
    random = _random_runs(job, space)
    dataset = fronts_dataset(
        plan,
        judge.accuracy,
        cost,
        _fronts(job, space, judge, scores, random),
        _limited(job, space, judge, scores, random, limits),
        _whole(judge, scores, limits),
    )
    dataset["true_front"] = (
        ("arch",),
        judge.true_front,
        {"units": "1", "long_name": "no architecture is as accurate at less cost"},
    )
    dataset.attrs = _attributes(job, judge, guides)
    write_dataset(dataset, job.output, "fronts")


def judge_of(accuracy: FloatArray, cost: Cost, quantile: float) -> Judge:
    """Return the true front of a space and the reference point of hypervolumes.

    The reference point is, of the architectures that have accuracy and cost, the ``quantile`` of
    the accuracies, and the largest cost; where the cost is an accuracy itself, its ``quantile``.

    Raises
    ------
    ConfigError
        When nothing is better than the reference point in both.
    """
    known = ~np.isnan(accuracy) & ~np.isnan(cost.burden)
    if not known.any():
        raise ConfigError(f"pareto.costs: no architecture has an accuracy and {cost.title}")
    burdens = cost.burden[known]
    worst = -np.quantile(-burdens, quantile) if cost.larger_is_better else burdens.max()
    reference = float(np.quantile(accuracy[known], quantile)), float(worst)
    front = np.zeros(len(accuracy), dtype=bool)
    front[np.flatnonzero(known)[non_dominated(accuracy[known], burdens)]] = True
    area = hypervolume(accuracy[front], cost.burden[front], reference)
    if area == 0:
        raise ConfigError(
            f"pareto.reference_quantile: no architecture is better than the reference point in "
            f"accuracy and {cost.title}; choose a smaller one than {quantile:g}"
        )
    return Judge(accuracy, cost, known, reference, front, area)


def _random_runs(job: FrontsJob, space: EdgeSpace) -> Traces:
    kind, steps = load_algorithm("random"), job.plan.budgets[-1]
    told, budget = (0.0,) * len(space), Evaluations((steps,))
    return np.array(
        [
            record(
                kind(space, stream(job.seed, "fronts/random", run), kind.settings_type()),
                *(told, told, None, budget),
            ).arch
            for run in range(job.plan.runs)
        ],
        dtype=np.int32,
    )


def _nsga2_runs(
    job: FrontsJob, space: EdgeSpace, guide: str, score: FloatArray, cost: Cost
) -> Traces:
    plan = job.plan
    traces = np.full((plan.runs, plan.budgets[-1]), NOTHING, dtype=np.int32)
    for run in range(plan.runs):
        rng = stream(job.seed, f"fronts/nsga2/{guide}/{cost.name}", run)
        looked_at = nsga2(
            space,
            score,
            cost.burden,
            evaluations=plan.budgets[-1],
            population=plan.population,
            seed=int(rng.integers(2**32)),
        )
        traces[run, : len(looked_at)] = looked_at
    return traces


def _rea_runs(
    job: FrontsJob, space: EdgeSpace, guide: str, limit: str, fitness: FloatArray
) -> Traces:
    kind, plan = load_algorithm("rea"), job.plan
    told, free = tuple(fitness.tolist()), (0.0,) * len(space)
    purpose = f"fronts/rea/{guide}/{plan.cost}/{limit}"
    return np.array(
        [
            record(
                kind(space, stream(job.seed, purpose, run), kind.settings_type()),
                *(told, free, None, Evaluations(plan.budgets)),
            ).arch
            for run in range(plan.runs)
        ],
        dtype=np.int32,
    )


def _fronts(
    job: FrontsJob,
    space: EdgeSpace,
    judge: Judge,
    scores: Mapping[str, FloatArray],
    random: Traces,
) -> Fronts:
    plan = job.plan
    place = (len(scores), len(FRONT_SEARCHES), plan.runs)
    arch = np.empty((*place, plan.budgets[-1]), dtype=np.int32)
    on_front = np.zeros(arch.shape, dtype=bool)
    share = np.empty((*place, len(plan.budgets)))
    found, trained = (np.empty(share.shape, dtype=np.int32) for _ in range(2))
    for row, (guide, score) in enumerate(track(list(scores.items()), f"fronts, {plan.cost}")):
        arch[row] = random, _nsga2_runs(job, space, guide, score, judge.cost)
        for at in np.ndindex(place[1:]):
            trace = arch[row][at]
            for column, budget in enumerate(plan.budgets):
                seen = _each_once(trace[:budget])
                share[row][at][column], found[row][at][column], trained[row][at][column] = (
                    judge.measure(score, seen)
                )
            on_front[row][at] = _first_of(trace, judge.front(score, _each_once(trace)))
    return Fronts(arch, on_front, share, found, trained)


def _each_once(trace: Traces) -> NDArray[np.int64]:
    return np.unique(trace[trace != NOTHING]).astype(np.int64)


def _first_of(trace: Traces, chosen: NDArray[np.int64]) -> BoolArray:
    """Return (step,) where each of the chosen was looked at for the first time."""
    marked = np.zeros(len(trace), dtype=bool)
    marked[np.unique(trace, return_index=True)[1]] = True
    return marked & np.isin(trace, chosen)


def _limited(
    job: FrontsJob,
    space: EdgeSpace,
    judge: Judge,
    scores: Mapping[str, FloatArray],
    random: Traces,
    limits: list[Limit],
) -> Limits:
    answers = []
    for guide, score in scores.items():
        for limit in limits:
            fitness = fitness_within(score, judge.cost, limit)
            for traces in (random, _rea_runs(job, space, guide, limit.name, fitness)):
                answers.append(answers_of(traces, fitness, job.plan.budgets))
    shape = (len(scores), len(limits), 2, job.plan.runs, len(job.plan.budgets))
    answer = np.array(answers, dtype=np.int32).reshape(shape)
    return Limits(
        names=tuple(limit.name for limit in limits),
        value=np.array([limit.value for limit in limits]),
        within=np.array([int(limit.within.sum()) for limit in limits], dtype=np.int32),
        best=np.array([np.max(judge.accuracy[limit.within]) for limit in limits]),
        mean=np.array([np.mean(judge.accuracy[limit.within]) for limit in limits]),
        answer=answer,
        accuracy=np.where(answer == NONE, np.nan, judge.accuracy[answer]),
    )


def _whole(judge: Judge, scores: Mapping[str, FloatArray], limits: list[Limit]) -> Whole:
    """Return what each guide makes of the whole space, where no search has to find anything."""
    everything = np.arange(len(judge.accuracy))
    measured = [judge.measure(score, everything) for score in scores.values()]
    share, found, trained = zip(*measured, strict=True)
    best = [
        [accuracy_of_best(fitness_within(s, judge.cost, limit), judge.accuracy) for limit in limits]
        for s in scores.values()
    ]
    return Whole(
        share=np.array(share),
        found=np.array(found, dtype=np.int32),
        trained=np.array(trained, dtype=np.int32),
        accuracy=np.array(best, dtype=np.float64).reshape(len(scores), len(limits)),
    )


def _attributes(
    job: FrontsJob, judge: Judge, guides: Mapping[str, Lookups]
) -> dict[str, str | int | float]:
    cost, first = judge.cost, next(iter(guides.values()))
    hashes = {"cost": cost.source_hash}
    for lookups in guides.values():
        hashes |= lookups.source_hashes
    settings = {
        "space": job.space,
        "dataset": job.dataset,
        "plan": job.plan.values,
        "seed": job.seed,
        "inputs": hashes,
    }
    provenance = provenance_attributes(
        settings=settings,
        code=fronts_code_hash(job.space),
        source_hashes=hashes,
        seed=job.seed,
    )
    return {
        **provenance,
        "space": job.space,
        "dataset": job.dataset,
        "search": f"under {cost.name}",
        "cost": cost.name,
        "cost_title": cost.title,
        "cost_units": cost.units,
        "larger_is_better": int(cost.larger_is_better),
        "cost_note": cost.note,
        "cost_source": cost.source,
        "cost_unknown": cost.unknown,
        "guide_notes": canonical_json({name: found.note for name, found in guides.items()}),
        "headline_outcome": first.outcome_names[first.headline],
        "reference_accuracy": judge.reference[0],
        "reference_cost": cost.of_burden(judge.reference[1]),
        "true_hypervolume": judge.true_hypervolume,
        "runs": job.plan.runs,
        "population": job.plan.population,
        "pymoo_version": version("pymoo"),
    }
