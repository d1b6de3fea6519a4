"""The search file: what the runs looked at, and what they answered at each budget."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.combinations import COMBINATION_NAMES
from trainfree.search.budget import Evaluations, FloatArray, IndexArray, PlaceArray
from trainfree.search.lookups import Lookups
from trainfree.search.plan import SearchPlan
from trainfree.trainings import ACCURACY, EVALUATIONS, TRAINING_SECONDS

COMPRESSION = {"zlib": True, "complevel": 1, "shuffle": True}


class Trace(NamedTuple):
    """What the runs looked at: arrays over (run, step), ``steps`` over (run,).

    ``leader`` is the step of the best evaluation so far.
    """

    arch: IndexArray
    steps: PlaceArray
    leader: PlaceArray
    rung: NDArray[np.int8]
    fitness: FloatArray
    accuracy: FloatArray
    scoring_seconds: FloatArray
    training_seconds: FloatArray


class Answers(NamedTuple):
    """What the runs answer: arrays over (run, budget), ``accuracy`` over outcomes as well."""

    arch: IndexArray
    accuracy: FloatArray
    scoring_seconds: FloatArray
    training_seconds: FloatArray
    rank: FloatArray
    regret: FloatArray


def search_dataset(
    plan: SearchPlan, trace: Trace, answers: Answers, lookups: Lookups
) -> xr.Dataset:
    """Return the data set of a search file, without the file's attributes."""
    variables = _trace_variables(plan, trace) | _answer_variables(answers)
    by_count = isinstance(plan.budget, Evaluations)
    kind = EVALUATIONS if by_count else TRAINING_SECONDS
    budget = {
        "units": "1" if by_count else "s",
        "long_name": "number of evaluations" if by_count else "seconds of the search",
        "budget_kind": kind,
    }
    return xr.Dataset(
        variables,
        coords={
            "run": np.arange(len(trace.steps), dtype=np.int32),
            "step": np.arange(trace.arch.shape[1], dtype=np.int32),
            "budget": xr.Variable(
                "budget", np.array(plan.counts or [plan.seconds], dtype=np.float64), budget
            ),
            "outcome": np.array(lookups.outcome_names, dtype=object),
        },
    )


def _trace_variables(plan: SearchPlan, trace: Trace) -> dict[str, xr.Variable]:
    dims = ("run", "step")
    percent = "percent" if plan.signal == ACCURACY else "1"
    seen = f"fitness seen by the search: {plan.signal}"
    rung = "rung of the evaluation; answers come from the highest one so far"
    scoring = "measured scoring time of the proxies up to this step"
    training = "simulated training time up to this step"
    combined = {}
    if plan.signal in COMBINATION_NAMES:
        seen += ", among the evaluations up to this step"
        best = "step of the best evaluation so far, after ranking all of them again"
        combined["trace_leader"] = _variable(dims, trace.leader.astype(np.int32), "1", best)
    return combined | {
        "trace_arch": _variable(dims, trace.arch, "1", "architecture evaluated, -1 after the end"),
        "trace_fitness": _variable(dims, trace.fitness, percent, seen),
        "trace_accuracy": _variable(
            dims, trace.accuracy, "percent", "trained accuracy, the headline outcome"
        ),
        "trace_rung": _variable(dims, trace.rung, "1", rung),
        "scoring_seconds": _variable(dims, trace.scoring_seconds, "s", scoring),
        "training_seconds": _variable(dims, trace.training_seconds, "s", training),
        "steps": _variable(("run",), trace.steps, "1", "number of evaluations of the run"),
    }


def _answer_variables(answers: Answers) -> dict[str, xr.Variable]:
    dims = ("run", "budget")
    regret = "best accuracy of the space less that of the answer, headline outcome"
    return {
        "answer": _variable(dims, answers.arch, "1", "architecture of best fitness so far"),
        "answer_accuracy": _variable(
            (*dims, "outcome"), answers.accuracy, "percent", "trained accuracy of the answer"
        ),
        "answer_scoring_seconds": _variable(
            dims, answers.scoring_seconds, "s", "measured scoring time of the search"
        ),
        "answer_training_seconds": _variable(
            dims, answers.training_seconds, "s", "simulated training time of the search"
        ),
        "answer_rank": _variable(
            dims,
            answers.rank,
            "1",
            "rank of the answer in the space by the headline outcome, 1 best",
        ),
        "answer_regret": _variable(dims, answers.regret, "percent", regret),
    }


def _variable(dims: tuple[str, ...], values: Any, units: str, name: str) -> xr.Variable:
    return xr.Variable(dims, values, {"units": units, "long_name": name}, COMPRESSION)
