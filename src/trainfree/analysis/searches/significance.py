"""Which searches differ: every pair of searches on a data set, tested over runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.searches.compared_searches import (
    ComparedSearch,
    budgeted,
    compared_searches,
    p_text,
)
from trainfree.analysis.statistics.paired_tests import holm, wilcoxon
from trainfree.analysis.tables import number, write_tables

LEVEL = 0.05
TITLE = (
    "Pairs of searches at their largest budget: two-sided Wilcoxon signed-rank test over runs, "
    "p-values after Holm within a data set, effect size is the rank-biserial correlation"
)
COLUMNS = (
    *("dataset", "outcome", "first", "first_budget", "second", "second_budget", "runs"),
    *("first_mean", "second_mean", "difference", "effect", "p_value", "p_holm", "better"),
)


def tabulate_significance(run: RunFiles, output_stem: Path) -> pd.DataFrame:
    """Write the table of pairs and return it.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    fields = compared_searches(run)
    pairs = [row for dataset, field in fields.items() for row in _pairs(dataset, field)]
    frame = pd.DataFrame(pairs, columns=COLUMNS)
    write_tables(frame, show_significance(frame), TITLE, run.data_line(scores=False), output_stem)
    return frame


def show_significance(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "First": [budgeted(row["first"], row["first_budget"]) for row in records],
            "Second": [budgeted(row["second"], row["second_budget"]) for row in records],
            "Runs": [number(row["runs"], 0) for row in records],
            "Difference (points)": [number(row["difference"]) for row in records],
            "Effect": [number(row["effect"]) for row in records],
            "p (Holm)": [p_text(row["p_holm"]) for row in records],
            "Better": frame["better"],
        }
    )


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
