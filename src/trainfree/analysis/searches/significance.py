"""Which searches differ: every pair of searches on a data set, tested over runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, plain
from trainfree.analysis.searches.compared_searches import (
    ComparedSearch,
    budgeted,
    compared_searches,
    p_text,
)
from trainfree.analysis.statistics.paired_tests import holm, wilcoxon
from trainfree.analysis.tables import numbers, text

LEVEL = 0.05


@table(
    title="Pairs of searches at their largest budget: two-sided Wilcoxon signed-rank test over "
    "runs, p-values with Holm's correction per data set; the effect size is the rank-biserial "
    "correlation",
    columns=(
        *text("dataset", "outcome", "first"),
        *numbers("first_budget"),
        *text("second"),
        *numbers("second_budget", "runs", "first_mean", "second_mean", "difference", "effect"),
        *numbers("p_value", "p_holm"),
        *text("better"),
    ),
    shown={
        "Data set": plain("dataset"),
        "First": lambda row: budgeted(row["first"], row["first_budget"]),
        "Second": lambda row: budgeted(row["second"], row["second_budget"]),
        "Runs": count("runs"),
        "Difference (points)": decimal("difference"),
        "Effect": decimal("effect"),
        "p (Holm)": lambda row: p_text(row["p_holm"]),
        "Better": plain("better"),
    },
    reads=("searches", "benchmark"),
    section="search",
    rank=4,
    copied=True,
)
def significance(inputs: Inputs) -> Made:
    """Return every pair of searches on a data set, tested over runs."""
    fields = compared_searches(inputs.run)
    rows = [row for dataset, field in fields.items() for row in _pairs(dataset, field)]
    return Made(rows, inputs.run.data_line(scores=False))


def _pairs(dataset: str, field: list[ComparedSearch]) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for first, second in combinations(field, 2):
        runs = min(len(first.accuracy), len(second.accuracy))
        values = first.accuracy[:runs], second.accuracy[:runs]
        test = wilcoxon(*values)
        rows.append(
            {
                "dataset": dataset,
                "outcome": first.outcome,
                "first": first.name,
                "first_budget": first.budget,
                "second": second.name,
                "second_budget": second.budget,
                "runs": runs,
                "first_mean": float(values[0].mean()),
                "second_mean": float(values[1].mean()),
                "difference": float(values[0].mean() - values[1].mean()),
                "effect": test.effect,
                "p_value": test.p_value,
            }
        )
    adjusted = holm([row["p_value"] for row in rows])
    for row, p_holm in zip(rows, adjusted.tolist(), strict=True):
        leader = row["first"] if row["effect"] > 0 else row["second"]
        better = leader if p_holm < LEVEL else "no difference shown"
        yield row | {"p_holm": p_holm, "better": better}
