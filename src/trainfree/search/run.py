"""The search job: all runs of one planned search, read out at every budget.

Runs look their fitness up, nothing is scored or trained here. The two clocks are kept apart in
the file: scoring seconds were measured, training seconds are simulated from the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.outside.extensions import load_files
from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.search import load_algorithm
from trainfree.search.budget import (
    MOST_EVALUATIONS,
    MOST_STEPS,
    NOTHING,
    Evaluations,
    FloatArray,
    IndexArray,
    PlaceArray,
    Record,
    Seconds,
    leaders,
    read_out,
    record,
)
from trainfree.search.draws import draw_of_runs, draws_note, in_turn
from trainfree.search.lookups import Lookups, load_lookups
from trainfree.search.plan import SearchPlan, search_code_hash
from trainfree.search.protocol import PaidScores, SearchAlgorithm, make_settings
from trainfree.search.schema import Answers, Trace, search_dataset
from trainfree.search.watched import Watch, is_foreign
from trainfree.spaces import load_space
from trainfree.spaces.protocol import Space
from trainfree.trainings import EVALUATIONS, TRAINING_SECONDS

if TYPE_CHECKING:
    from trainfree.combinations.history import History, Ordering


@dataclass(frozen=True)
class SearchJob:
    """One search file.

    Attributes
    ----------
    space, dataset
        Names of the search space and of the image data set.
    plan
        The algorithm, what guides and assists it, its budget and the number of runs.
    scores
        The merged scores files, one for each draw of mini-batch and weights, which the runs take in
        turn; empty where no proxy is used.
    benchmark, output
        The table of trained accuracies, and the file to write.
    seed
        The root seed.
    extra
        Files with the algorithm or the space, where they are not the suite's own.
    """

    space: str
    dataset: str
    plan: SearchPlan
    scores: tuple[Path, ...]
    benchmark: Path
    output: Path
    seed: int
    extra: tuple[Path, ...] = ()


def run_search(job: SearchJob) -> None:
    """Do all runs of a job and write its search file.

    Raises
    ------
    ConfigError
        When a budget is larger than the space or too small for one evaluation, or counts training
        seconds that the benchmark does not have, or a setting is unknown.
    UnknownNameError
        For an unknown space, data set, algorithm or proxy.
    DataFileError
        When an input is unusable or the output cannot be written.
    """
    load_files(job.extra)
    plan, space = job.plan, load_space(job.space)
    algorithm = load_algorithm(plan.algorithm)
    where = f"search.searches.{plan.name}"
    settings, _ = make_settings(where, algorithm, plan.settings)
    _check_counts(plan, space)
    draws = [
        load_lookups(space, job.dataset, plan.signal, scores, job.benchmark, proxy=plan.proxy)
        for scores in job.scores[: plan.runs] or [None]
    ]
    if isinstance(plan.budget, Seconds):
        _require_training_seconds(job, draws[0])
    traces, answers = [], []
    for draw, lookups in enumerate(draws):
        runs = range(draw, plan.runs, len(draws))
        records = _all_runs(job, runs, space, algorithm, settings, lookups)
        traces.append(trace_of(records, lookups))
        answers.append(_answers(plan, traces[-1], lookups))
    dataset = search_dataset(plan, in_turn(traces), in_turn(answers), draws[0])
    dataset["draw"] = draw_of_runs(plan.runs, len(draws))
    dataset.attrs = _attributes(job, draws)
    write_dataset(dataset, job.output, "search")


def _check_counts(plan: SearchPlan, space: Space) -> None:
    if plan.counts and plan.counts[-1] > len(space):
        raise ConfigError(
            f"search.searches.{plan.name}.budgets: N = {plan.counts[-1]} is larger than the space "
            f"{space.name} with its {len(space)} architectures; choose N <= {len(space)}"
        )


def _require_training_seconds(job: SearchJob, lookups: Lookups) -> None:
    missing = int((~(lookups.training_seconds > 0)).sum())
    if missing:
        count = "no training times" if missing == len(lookups.fitness) else "incomplete times"
        raise ConfigError(
            f"{job.benchmark}: has {count} ({missing} of {len(lookups.fitness)} architectures "
            f"lack one), which search.searches.{job.plan.name}.budget_seconds counts; prepare the "
            "benchmark from a mirror (sources.mirror) or the official archive "
            "(sources.nats_archive; sources.nats_size_archive for the size space), or give "
            "budgets, numbers of evaluations"
        )
    steps = (job.plan.seconds or 0.0) / float(np.mean(lookups.training_seconds))
    if steps > MOST_STEPS or steps * job.plan.runs > MOST_EVALUATIONS:
        raise ConfigError(
            f"search.searches.{job.plan.name}.budget_seconds: expected a budget for at most "
            f"{MOST_STEPS:,} evaluations a run and {MOST_EVALUATIONS:,} of all runs, found "
            f"{job.plan.seconds:g} s and {job.plan.runs:,} runs, while a training in "
            f"{job.benchmark} takes {np.mean(lookups.training_seconds):.3g} s on average; give "
            "fewer seconds or runs, or check the benchmark's times"
        )


def _all_runs(
    job: SearchJob,
    numbers: range,
    space: Space,
    algorithm: type[SearchAlgorithm],
    settings: Any,
    lookups: Lookups,
) -> list[Record]:
    """Do the runs; each has a stream of its own, whatever their number and order."""
    plan, foreign = job.plan, is_foreign(job.plan.algorithm, job.space)
    runs = _Runs(job, deepcopy(space) if foreign else space, algorithm, settings, lookups)
    if foreign:
        records = _watched_runs(job, numbers, runs, len(space))
    else:
        records = [runs.do(run) for run in track(numbers, plan.name)]
    for run, one in zip(numbers, records, strict=True):
        if not one.arch and isinstance(plan.budget, Seconds):
            raise ConfigError(
                f"search.searches.{plan.name}.budget_seconds: {plan.budget.limit:g} s are not "
                f"enough for the first evaluation of run {run}; give more, or overshoot: allow"
            )
    return records


def _watched_runs(job: SearchJob, numbers: range, runs: _Runs, size: int) -> list[Record]:
    """Do the runs of a search in which code of others takes part."""
    plan = job.plan
    watch = Watch(plan.algorithm, job.space, size)
    with watch.kept(f"search.searches.{plan.name}"):
        records = [runs.do(run, watch) for run in track(numbers, plan.name)]
        watch.require_same(records[0], runs.do(numbers[0], watch))
    return records


class _Runs:
    """Does one run of a job after the other; fitness and scores are looked up by index."""

    def __init__(
        self,
        job: SearchJob,
        space: Space,
        algorithm: type[SearchAlgorithm],
        settings: Any,
        lookups: Lookups,
    ) -> None:
        plan = job.plan
        self._identity = "/".join(filter(None, ("search", plan.algorithm, plan.signal, plan.proxy)))
        self._seed, self._budget = job.seed, plan.budget
        self._space, self._algorithm, self._settings = space, algorithm, settings
        self._fitness = tuple(lookups.fitness.tolist())
        self._ordering = lookups.ordering
        self._seconds = tuple(lookups.training_seconds.tolist())
        self._assistance: tuple[Any, ...] | None = None
        if lookups.assistance is not None and lookups.assistance_seconds is not None:
            scored = None if lookups.assisted is None else tuple(lookups.assisted.tolist())
            paid = tuple(lookups.assistance_seconds.tolist())
            self._assistance = tuple(lookups.assistance.tolist()), paid, scored

    def do(self, run: int, watch: Watch | None = None) -> Record:
        """Do a run by its number, watched where code of others takes part."""
        rng = stream(self._seed, self._identity, run)
        scores = None if self._assistance is None else PaidScores(*self._assistance)
        assisting = [] if scores is None else [scores]

        def make() -> SearchAlgorithm:
            settings = self._settings if watch is None else deepcopy(self._settings)
            return self._algorithm(self._space, rng, settings, *assisting)

        history = self._history()
        if watch is None:
            return record(make(), self._fitness, self._seconds, scores, self._budget, history)
        seed = int(stream(self._seed, f"{self._identity} global", run).integers(2**63))
        searcher = watch.begin(run, seed, make)
        return record(searcher, self._fitness, self._seconds, scores, self._budget, history)

    def _history(self) -> History | None:
        """Return an empty history where a combination guides, which is only by evaluations."""
        if self._ordering is None or not isinstance(self._budget, Evaluations):
            return None
        from trainfree.combinations.history import History  # compiled code, slow to import

        return History(self._ordering, self._budget.counts[-1])


def trace_of(records: Sequence[Record], lookups: Lookups) -> Trace:
    """Return the arrays over (run, step) of what the runs looked at, padded to the longest."""
    steps = np.array([len(one.arch) for one in records], dtype=np.int64)
    arch = _padded([one.arch for one in records], NOTHING).astype(np.int32)
    ended = arch == NOTHING
    looked_up = {
        "fitness": lookups.fitness[arch],
        "accuracy": lookups.outcomes[arch, lookups.headline],
        "scoring_seconds": np.cumsum(lookups.scoring_seconds[arch], axis=1)
        + _padded([one.assistance for one in records], 0.0),
        "training_seconds": np.cumsum(lookups.training_seconds[arch], axis=1),
    }
    for values in looked_up.values():
        values[ended] = np.nan
    rung = _padded([one.rung for one in records], NOTHING).astype(np.int8)
    if lookups.ordering is None:
        leader = leaders(merits(arch, rung, lookups.fitness))
    else:
        leader, looked_up["fitness"] = _followed(records, lookups.ordering)
    return Trace(arch=arch, steps=steps, rung=rung, leader=leader, **looked_up)


def _followed(records: Sequence[Record], ordering: Ordering) -> tuple[PlaceArray, FloatArray]:
    """Return (run, step) the leader and the fitness where a combination guides.

    Its budgets are numbers of evaluations, so that all runs are of one length.
    """
    from trainfree.combinations.history import follow  # compiled code, slow to import

    runs = [
        follow(ordering, np.array(one.arch, np.int64), np.array(one.rung, np.int64))
        for one in records
    ]
    return np.stack([run.leader for run in runs]), np.stack([run.fitness for run in runs])


def _padded(rows: Sequence[Sequence[float]], filling: float) -> NDArray[Any]:
    longest = max(len(row) for row in rows)
    return np.array([[*row, *[filling] * (longest - len(row))] for row in rows])


def merits(arch: IndexArray, rung: NDArray[np.int8], fitness: FloatArray) -> PlaceArray:
    """Return (run, step) integers in the order in which evaluations may be the answer.

    First by rung, then by fitness; NaN (failed) is below -inf, so that a failed architecture is
    an answer only where nothing else was seen. -1 after a run's end.
    """
    rank = np.zeros(len(fitness), dtype=np.int64)
    known = ~np.isnan(fitness)
    rank[known] = 1 + np.unique(fitness[known], return_inverse=True)[1]
    merit = rung.astype(np.int64) * (len(fitness) + 1) + rank[arch]
    merit[arch == NOTHING] = -1
    return merit


def _answers(plan: SearchPlan, trace: Trace, lookups: Lookups) -> Answers:
    """Read all runs out at every budget, and place the answers in the whole space."""
    leader = trace.leader
    clock = trace.training_seconds + trace.scoring_seconds
    reading = read_out(leader, trace.steps, clock, plan.budget)
    arch = np.take_along_axis(trace.arch, reading.answer, axis=1)
    accuracy = reading.of_answers(lookups.outcomes, trace.arch, leader)
    headline = lookups.outcomes[:, lookups.headline]
    ordered, answered = np.sort(headline[~np.isnan(headline)]), headline[arch]
    better = len(ordered) - np.searchsorted(ordered, answered, side="right")
    return Answers(
        arch=arch,
        accuracy=accuracy,
        scoring_seconds=reading.of_clock(trace.scoring_seconds),
        training_seconds=reading.of_clock(trace.training_seconds),
        rank=np.where(np.isnan(answered), np.nan, 1.0 + better),
        regret=ordered[-1] - accuracy[..., lookups.headline],
    )


def _attributes(job: SearchJob, draws: Sequence[Lookups]) -> dict[str, str | int | float]:
    plan, lookups = job.plan, draws[0]
    hashes = dict(lookups.source_hashes)
    for draw, other in enumerate(draws[1:], start=1):
        hashes[f"scores of draw {draw}"] = other.source_hashes["scores"]
    identity: dict[str, str | int | float] = {
        "space": job.space,
        "dataset": job.dataset,
        "search": plan.name,
        "algorithm": plan.algorithm,
        "preset": plan.preset,
        "signal": plan.signal,
        "proxy": plan.proxy,
        "runs": plan.runs,
    }
    provenance = provenance_attributes(
        settings={
            "space": job.space,
            "dataset": job.dataset,
            "plan": plan.values,
            "seed": job.seed,
            "inputs": hashes,
        },
        code=search_code_hash(plan, job.space),
        source_hashes=hashes,
        seed=job.seed,
    )
    by_count = isinstance(plan.budget, Evaluations)
    return {
        **provenance,
        **identity,
        "budget_kind": EVALUATIONS if by_count else TRAINING_SECONDS,
        "budget_seconds": np.nan if plan.seconds is None else plan.seconds,
        "overshoot": plan.overshoot,
        "signal_note": lookups.note + draws_note(len(draws)),
        "clock_note": lookups.clock_note,
        "headline_outcome": lookups.outcome_names[lookups.headline],
    }
