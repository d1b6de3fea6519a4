"""The file of the searches under one cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.search.fronts.costs import Cost
from trainfree.search.fronts.domination import BoolArray, FloatArray
from trainfree.search.fronts.plan import FRONT_SEARCHES, LIMIT_SEARCHES, FrontsPlan
from trainfree.search.schema import COMPRESSION

Counts = NDArray[np.int32]


class Fronts(NamedTuple):
    """Searches for fronts.

    Arrays over (guide, search, run, step), those of the traces, or (guide, search, run, budget).
    """

    arch: Counts
    on_front: BoolArray
    share: FloatArray
    found: Counts
    trained: Counts


class Limits(NamedTuple):
    """Searches within limits.

    Arrays over (limit,), or of the answers over (guide, limit, search, run, budget).
    """

    names: tuple[str, ...]
    value: FloatArray
    within: Counts
    best: FloatArray
    mean: FloatArray
    answer: Counts
    accuracy: FloatArray


class Whole(NamedTuple):
    """What guides make of the whole space: arrays over (guide,), ``accuracy`` over (guide, limit).

    As :class:`Fronts` and :class:`Limits` of a search that looks at everything.
    """

    share: FloatArray
    found: Counts
    trained: Counts
    accuracy: FloatArray


def fronts_dataset(
    plan: FrontsPlan,
    accuracy: FloatArray,
    cost: Cost,
    fronts: Fronts,
    limits: Limits,
    whole: Whole,
) -> xr.Dataset:
    """Return the data set of the file, without its attributes."""
    return xr.Dataset(
        {
            "accuracy": _variable("arch", accuracy, "percent", "trained accuracy"),
            "cost": _variable("arch", cost.values, cost.units, cost.title),
            **_of_fronts(fronts),
            **_of_limits(limits, cost.units),
            **_of_whole(whole),
        },
        coords={
            "arch": np.arange(len(accuracy), dtype=np.int32),
            "guide": np.array(plan.guides, dtype=object),
            "front_search": np.array(FRONT_SEARCHES, dtype=object),
            "limit_search": np.array(LIMIT_SEARCHES, dtype=object),
            "run": np.arange(plan.runs, dtype=np.int32),
            "step": np.arange(plan.budgets[-1], dtype=np.int32),
            "budget": np.array(plan.budgets, dtype=np.int32),
            "limit": np.array(limits.names, dtype=object),
        },
    )


def _of_fronts(fronts: Fronts) -> dict[str, xr.Variable]:
    runs = ("guide", "front_search", "run")
    stepwise, read_out = (*runs, "step"), (*runs, "budget")
    looked_at = "architecture evaluated, -1 after the end"
    on_front = "first look at an architecture of the front by guide and cost of the whole run"
    share = "hypervolume in trained accuracy of the front found, as a share of the true front's"
    return {
        "trace_arch": _variable(stepwise, fronts.arch, "1", looked_at),
        "on_front": _variable(stepwise, fronts.on_front, "1", on_front),
        "hypervolume": _variable(read_out, fronts.share, "1", share),
        "found": _variable(read_out, fronts.found, "1", "architectures on the front by the guide"),
        "kept": _variable(
            read_out, fronts.trained, "1", "those of them on their front in trained accuracy"
        ),
    }


def _of_limits(limits: Limits, units: str) -> dict[str, xr.Variable]:
    answers = ("guide", "limit", "limit_search", "run", "budget")
    percent = "percent"
    return {
        "limit_value": _variable("limit", limits.value, units, "limit on the cost"),
        "limit_within": _variable("limit", limits.within, "1", "architectures within the limit"),
        "limit_best": _variable("limit", limits.best, percent, "best trained accuracy within it"),
        "limit_mean": _variable("limit", limits.mean, percent, "mean trained accuracy within it"),
        "limit_answer": _variable(
            answers, limits.answer, "1", "architecture of best score within the limit, -1: none"
        ),
        "limit_accuracy": _variable(
            answers, limits.accuracy, percent, "trained accuracy of the answer"
        ),
    }


def _of_whole(whole: Whole) -> dict[str, xr.Variable]:
    all_of = "of the whole space"
    return {
        "whole_hypervolume": _variable("guide", whole.share, "1", f"hypervolume, {all_of}"),
        "whole_found": _variable("guide", whole.found, "1", f"found, {all_of}"),
        "whole_kept": _variable("guide", whole.trained, "1", f"kept, {all_of}"),
        "whole_accuracy": _variable(
            ("guide", "limit"), whole.accuracy, "percent", f"accuracy of the best, {all_of}"
        ),
    }


def _variable(dims: str | tuple[str, ...], values: Any, units: str, name: str) -> xr.Variable:
    return xr.Variable(dims, values, {"units": units, "long_name": name}, COMPRESSION)
