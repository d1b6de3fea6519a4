"""Average ranks of the searches on a data set, and which of them are as good as the best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.searches.compared_searches import (
    ComparedSearch,
    budgeted,
    compared_searches,
    p_text,
)
from trainfree.analysis.searches.search import ORACLE
from trainfree.analysis.statistics.paired_tests import average_ranks
from trainfree.analysis.tables import number, write_tables

TITLE = (
    "Average rank of each search over runs, 1 is best; two searches differ at the 5 % level where "
    "their ranks differ by more than the critical difference (Friedman and Nemenyi)"
)
COLUMNS = (
    *("dataset", "outcome", "search", "budget", "runs", "accuracy_mean", "rank"),
    *("critical_difference", "as_good_as_best", "friedman_p", "note"),
)


def tabulate_ranks(run: RunFiles, output_stem: Path) -> pd.DataFrame:
    """Write the table of average ranks and return it.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    fields = compared_searches(run)
    rows = [row for dataset, field in fields.items() for row in _ranks(dataset, field)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_tables(frame, show_ranks(frame), TITLE, run.data_line(scores=False), output_stem)
    return frame


def show_ranks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Search": [budgeted(row["search"], row["budget"]) for row in records],
            "Runs": [number(row["runs"], 0) for row in records],
            "Accuracy (%)": [number(row["accuracy_mean"]) for row in records],
            "Average rank": [number(row["rank"]) for row in records],
            "Critical difference": [number(row["critical_difference"]) for row in records],
            "As good as the best": frame["as_good_as_best"],
            "Friedman p": [p_text(row["friedman_p"]) for row in records],
            "Note": frame["note"],
        }
    )


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
