"""Average ranks of the searches on a data set, and which of them are as good as the best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, measured, plain
from trainfree.analysis.searches.compared_searches import (
    ComparedSearch,
    budgeted,
    compared_searches,
    p_text,
)
from trainfree.analysis.searches.search import ORACLE
from trainfree.analysis.statistics.paired_tests import average_ranks
from trainfree.analysis.tables import numbers, text


@table(
    title="Average rank of each search over runs, 1 is best; two searches differ at the 5 % level "
    "if their ranks differ by more than the critical difference (Friedman and Nemenyi)",
    columns=(
        *text("dataset", "outcome", "search"),
        *numbers("budget", "runs", "accuracy_mean", "rank", "critical_difference"),
        *text("as_good_as_best"),
        *numbers("friedman_p"),
        *text("note"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Search": lambda row: budgeted(row["search"], row["budget"]),
        "Runs": count("runs"),
        "Accuracy (%)": measured("accuracy_mean"),
        "Average rank": decimal("rank"),
        "Critical difference": decimal("critical_difference"),
        "As good as the best": plain("as_good_as_best"),
        "Friedman p": lambda row: p_text(row["friedman_p"]),
        "Note": plain("note"),
    },
    reads=("searches", "benchmark"),
    section="search",
    rank=3,
    copied=True,
)
def ranks(inputs: Inputs) -> Made:
    """Return the average rank of each search of each data set."""
    fields = compared_searches(inputs.run)
    rows = [row for dataset, field in fields.items() for row in _ranks(dataset, field)]
    return Made(rows, inputs.run.data_line(scores=False))


def _ranks(dataset: str, field: list[ComparedSearch]) -> Iterator[dict[str, Any]]:
    """Yield the average ranks of the searches with the most runs; name those left out."""
    most = max(len(one.accuracy) for one in field)
    ranked = [one for one in field if len(one.accuracy) == most]
    if len(ranked) < 2:
        return
    fewer = [f"{one.name} ({len(one.accuracy)} runs)" for one in field if one not in ranked]
    absent = f"left out: {', '.join(fewer)}" if fewer else ""
    found = average_ranks(np.stack([one.accuracy for one in ranked], axis=1))
    best = float(found.ranks.min())
    for place in np.argsort(found.ranks, kind="stable").tolist():
        one, rank = ranked[place], float(found.ranks[place])
        yield {
            "dataset": dataset,
            "outcome": one.outcome,
            "search": one.name,
            "budget": one.budget,
            "runs": most,
            "accuracy_mean": float(one.accuracy.mean()),
            "rank": rank,
            "critical_difference": found.critical_difference,
            "as_good_as_best": "yes" if rank - best <= found.critical_difference else "no",
            "friedman_p": found.p_value,
            "note": "; ".join(filter(None, (one.kind if one.kind == ORACLE else "", absent))),
        }
