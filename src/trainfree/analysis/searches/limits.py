"""The best architecture within a limit on a cost: what searches choose, beside the optimum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, number, plain
from trainfree.analysis.inputs import floats, outcome_title, texts
from trainfree.analysis.searches.pareto import (
    SEARCH_TITLES,
    WHOLE,
    about,
    guide_title,
    made_from,
    read_fronts,
    with_units,
)
from trainfree.analysis.searches.search import mean_interval
from trainfree.analysis.tables import numbers, text

if TYPE_CHECKING:
    import xarray as xr


@table(
    title="The best architecture within a limit on a cost: trained accuracy (%) of the answer, "
    "mean over runs with its 95 % interval, and the optimum within the same limit",
    columns=(
        *text("space", "dataset", "outcome", "cost", "cost_title", "units", "limit"),
        *numbers("limit_value", "within"),
        *text("guide", "search"),
        *numbers("budget", "runs", "unanswered", "accuracy", "accuracy_std"),
        *numbers("accuracy_low", "accuracy_high", "optimum", "regret", "mean_within"),
        *text("note"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Cost": lambda row: with_units(row["cost_title"], row["units"]),
        "Limit": lambda row: limit_text(row["limit_value"]),
        "Within": count("within"),
        "Guide": plain("guide"),
        "Search": plain("search"),
        "N": count("budget"),
        "Runs": count("runs"),
        "Without answer": count("unanswered"),
        "Found (%)": interval("accuracy", 2),
        "Optimum (%)": decimal("optimum"),
        "Regret (points)": decimal("regret"),
        "Mean within (%)": decimal("mean_within"),
    },
    once=("Data set", "Accuracy", "Without answer"),
    reads=("fronts",),
    target="pareto",
    section="search",
    rank=21,
)
def limits(inputs: Inputs) -> Made:
    """Return the accuracy of what each search chooses within each limit, under each guide.

    Raises
    ------
    DataFileError
        When there is no file, or one is damaged.
    """
    files = read_fronts(inputs.fronts)
    return Made([row for file in files for row in _rows(file)], made_from(files))


def limit_text(value: float) -> str:
    """Return a limit in four significant digits, thousands marked from ten thousand on."""
    return number(value, 0) if abs(value) >= 10_000 else f"{value:.4g}"


def _rows(file: xr.Dataset) -> Iterator[dict[str, Any]]:
    for limit in texts(file["limit"]):
        at = file.sel(limit=limit)
        optimum = float(at["limit_best"])
        common = {
            **about(file),
            "limit": limit,
            "limit_value": float(at["limit_value"]),
            "within": int(at["limit_within"]),
            "optimum": optimum,
            "mean_within": float(at["limit_mean"]),
        }
        for guide in texts(file["guide"]):
            own = {**common, "guide": guide_title(guide)}
            for search in texts(file["limit_search"]):
                for budget in file["budget"].to_numpy().tolist():
                    of = at["limit_accuracy"].sel(guide=guide, limit_search=search, budget=budget)
                    accuracy = floats(of)
                    mean, std, low, high = mean_interval(accuracy)
                    yield {
                        **own,
                        "search": SEARCH_TITLES[search],
                        "budget": budget,
                        "runs": len(accuracy),
                        "unanswered": int(np.isnan(accuracy).sum()),
                        "accuracy": mean,
                        "accuracy_std": std,
                        "accuracy_low": low,
                        "accuracy_high": high,
                        "regret": optimum - mean,
                    }
            best = float(at["whole_accuracy"].sel(guide=guide))
            yield {
                **own,
                "search": WHOLE,
                "budget": file.sizes["arch"],
                "runs": 1,
                "unanswered": int(np.isnan(best)),
                "accuracy": best,
                "regret": optimum - best,
            }
