"""How good the answers are in the space: regret and rank, beside what chance and hindsight give.

Regret is the distance to the best accuracy of the space in percentage points, rank 1 the best
architecture. The controls are exact: an architecture drawn at random, and the best of N draws
by the very accuracy that is reported, the ceiling for any search that looks at N random ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.inputs import Floats, floats, outcome_title
from trainfree.analysis.papers.measures import best_of_n
from trainfree.analysis.run_files import AbsentError, RunFiles, search_title
from trainfree.analysis.tables import budget_text, number, with_spread, write_tables
from trainfree.trainings import EVALUATIONS, budget_kind

TITLE = "Regret and rank of the architectures found, mean ± standard deviation over runs"
ORACLE_BUDGETS = (10, 100, 1000)
RANDOM, ORACLE = "random architecture", "best of N (oracle)"
COLUMNS = (
    *("dataset", "outcome", "search", "budget", "budget_kind", "runs"),
    *("accuracy_mean", "accuracy_std", "regret_mean", "regret_std", "regret_median"),
    *("rank_mean", "rank_median", "rank_best", "top_percent"),
)


def tabulate_regret(run: RunFiles, output_stem: Path) -> pd.DataFrame:
    """Write the table of regret and rank and return it.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for search in run.searches:
        outcome = str(search.attrs["headline_outcome"])
        seen.setdefault(str(search.attrs["dataset"]), outcome)
        try:
            accuracy = _known(run, outcome)
        except AbsentError:
            continue
        rows.extend(_search_rows(search, outcome, len(accuracy)))
    for dataset, outcome in seen.items():
        try:
            rows.extend(_controls(dataset, outcome, _known(run, outcome)))
        except AbsentError:
            continue
    order = list(seen)
    rows.sort(key=lambda row: order.index(row["dataset"]))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_tables(frame, show_regret(frame), TITLE, run.data_line(scores=False), output_stem)
    return frame


def show_regret(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Accuracy": [outcome_title(str(row["outcome"])) for row in records],
            "Search": frame["search"],
            "Budget": [budget_text(row["budget"], row["budget_kind"]) for row in records],
            "Runs": [number(row["runs"], 0) for row in records],
            "Accuracy (%)": [with_spread(r["accuracy_mean"], r["accuracy_std"]) for r in records],
            "Regret (points)": [with_spread(r["regret_mean"], r["regret_std"]) for r in records],
            "Median rank": [number(row["rank_median"], 0) for row in records],
            "Best rank": [number(row["rank_best"], 0) for row in records],
            "Median in top (%)": [number(row["top_percent"], 1) for row in records],
        }
    )


def _known(run: RunFiles, outcome: str) -> Floats:
    values = run.accuracy(outcome).dropna().to_numpy(dtype=np.float64)
    if len(values) == 0:
        raise AbsentError(f"no accuracies {outcome}")
    return values


def _search_rows(search: xr.Dataset, outcome: str, count: int) -> Iterator[dict[str, Any]]:
    for budget in search["budget"].to_numpy().tolist():
        at = search.sel(budget=budget)
        answered = floats(at["answer_accuracy"].sel(outcome=outcome))
        known = ~np.isnan(answered)
        if not known.any():
            continue
        regret, ranks = (floats(at[f"answer_{name}"])[known] for name in ("regret", "rank"))
        spread = known.sum() > 1
        yield {
            "dataset": search.attrs["dataset"],
            "outcome": outcome,
            "search": search_title(search),
            "budget": budget,
            "budget_kind": budget_kind(search.attrs),
            "runs": int(known.sum()),
            "accuracy_mean": float(answered[known].mean()),
            "accuracy_std": float(answered[known].std(ddof=1)) if spread else np.nan,
            "regret_mean": float(regret.mean()),
            "regret_std": float(regret.std(ddof=1)) if spread else np.nan,
            "regret_median": float(np.median(regret)),
            "rank_mean": float(ranks.mean()),
            "rank_median": float(np.median(ranks)),
            "rank_best": float(ranks.min()),
            "top_percent": 100 * float(np.median(ranks)) / count,
        }


def _controls(dataset: str, outcome: str, space: Floats) -> Iterator[dict[str, Any]]:
    best, count = float(space.max()), len(space)
    ranks = 1 + count - np.searchsorted(np.sort(space), space, side="right")
    for budget in (1, *ORACLE_BUDGETS):
        mean, spread = best_of_n(space, budget)
        # The best of n draws has the median rank r where a share of (1 - r/m)^n is worse.
        median = 1 + np.floor(count * (1 - 0.5 ** (1 / budget)))
        yield {
            "dataset": dataset,
            "outcome": outcome,
            "search": RANDOM if budget == 1 else ORACLE,
            "budget": budget,
            "budget_kind": EVALUATIONS,
            "runs": np.nan,
            "accuracy_mean": mean,
            "accuracy_std": spread,
            "regret_mean": best - mean,
            "regret_std": spread,
            "regret_median": np.nan,
            "rank_mean": float(ranks.mean()) if budget == 1 else np.nan,
            "rank_median": float(median),
            "rank_best": np.nan,
            "top_percent": 100 * float(median) / count,
        }
