"""How good the answers are in the space: regret and rank, beside what chance and hindsight give.

Regret is the distance to the best accuracy of the space in percentage points, rank 1 the best
architecture. The controls are exact: an architecture drawn at random, and the best of N draws
by the very accuracy that is reported, the ceiling for any search that looks at N random ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import budget_text, count, decimal, measured, plain
from trainfree.analysis.inputs import Floats, floats, outcome_title
from trainfree.analysis.papers.measures import best_of_n
from trainfree.analysis.run_files import AbsentError, RunFiles, search_title
from trainfree.analysis.tables import numbers, text
from trainfree.trainings import EVALUATIONS, budget_kind

if TYPE_CHECKING:
    import xarray as xr

ORACLE_BUDGETS = (10, 100, 1000)
RANDOM, ORACLE = "random architecture", "best of N (oracle)"


@table(
    title="Regret and rank of the architectures found, mean ± standard deviation over runs",
    columns=(
        *text("dataset", "outcome", "search"),
        *numbers("budget"),
        *text("budget_kind"),
        *numbers("runs", "accuracy_mean", "accuracy_std", "regret_mean", "regret_std"),
        *numbers("regret_median", "rank_mean", "rank_median", "rank_best", "top_percent"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Search": plain("search"),
        "Budget": lambda row: budget_text(row["budget"], row["budget_kind"]),
        "Runs": count("runs"),
        "Accuracy (%)": measured("accuracy_mean", "accuracy_std"),
        "Regret (points)": measured("regret_mean", "regret_std"),
        "Median rank": count("rank_median"),
        "Best rank": count("rank_best"),
        "Median in top (%)": decimal("top_percent", 1),
    },
    reads=("searches", "benchmark"),
    section="search",
    rank=2,
    copied=True,
)
def regret(inputs: Inputs) -> Made:
    """Return regret and rank of each search at each budget, and of the controls."""
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for search in inputs.run.searches:
        outcome = str(search.attrs["headline_outcome"])
        seen.setdefault(str(search.attrs["dataset"]), outcome)
        try:
            accuracy = _known(inputs.run, outcome)
        except AbsentError:
            continue
        rows.extend(_search_rows(search, outcome, len(accuracy)))
    for dataset, outcome in seen.items():
        try:
            rows.extend(_controls(dataset, outcome, _known(inputs.run, outcome)))
        except AbsentError:
            continue
    order = list(seen)
    rows.sort(key=lambda row: order.index(row["dataset"]))
    return Made(rows, inputs.run.data_line(scores=False))


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
        distance, ranks = (floats(at[f"answer_{name}"])[known] for name in ("regret", "rank"))
        several = known.sum() > 1
        yield {
            "dataset": search.attrs["dataset"],
            "outcome": outcome,
            "search": search_title(search),
            "budget": budget,
            "budget_kind": budget_kind(search.attrs),
            "runs": int(known.sum()),
            "accuracy_mean": float(answered[known].mean()),
            "accuracy_std": float(answered[known].std(ddof=1)) if several else np.nan,
            "regret_mean": float(distance.mean()),
            "regret_std": float(distance.std(ddof=1)) if several else np.nan,
            "regret_median": float(np.median(distance)),
            "rank_mean": float(ranks.mean()),
            "rank_median": float(np.median(ranks)),
            "rank_best": float(ranks.min()),
            "top_percent": 100 * float(np.median(ranks)) / count,
        }


def _controls(dataset: str, outcome: str, space: Floats) -> Iterator[dict[str, Any]]:
    best, count = float(space.max()), len(space)
    ranks = 1 + count - np.searchsorted(np.sort(space), space, side="right")
    for budget in (1, *ORACLE_BUDGETS):
        mean, deviation = best_of_n(space, budget)
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
            "accuracy_std": deviation,
            "regret_mean": best - mean,
            "regret_std": deviation,
            "regret_median": np.nan,
            "rank_mean": float(ranks.mean()) if budget == 1 else np.nan,
            "rank_median": float(median),
            "rank_best": np.nan,
            "top_percent": 100 * float(median) / count,
        }
