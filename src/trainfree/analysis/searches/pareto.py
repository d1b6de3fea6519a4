"""Pareto fronts of accuracy against a cost: how much of the true front searches find.

The number is a share of the true front's hypervolume: of the area that the best trade-offs of the
whole space dominate, how much do those dominate that a search found. Beside the searches stands
what each guide would make of the whole space, which no longer search of that guide can beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, number, plain
from trainfree.analysis.inputs import floats, outcome_title, texts
from trainfree.analysis.origins import MadeFrom
from trainfree.analysis.searches.search import mean_interval
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.trainings import ACCURACY

if TYPE_CHECKING:
    import xarray as xr

WHOLE = "whole space"
SEARCH_TITLES = {"random": "random", "nsga2": "NSGA-II", "rea": "REA", WHOLE: WHOLE}
TRAINED = "trained accuracy"


@table(
    title="Pareto fronts of trained accuracy against a cost: share of the true front's "
    "hypervolume, mean over runs with its 95 % interval",
    columns=(
        *text("space", "dataset", "outcome", "cost", "cost_title", "units", "guide", "search"),
        *numbers("budget", "runs", "hypervolume", "hypervolume_std"),
        *numbers("hypervolume_low", "hypervolume_high", "found", "kept", "true_front"),
        *numbers("reference_accuracy", "reference_cost"),
        *text("note"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Cost": lambda row: with_units(row["cost_title"], row["units"]),
        "Guide": plain("guide"),
        "Search": plain("search"),
        "N": count("budget"),
        "Runs": count("runs"),
        "Hypervolume (share)": interval("hypervolume"),
        "On the front found": decimal("found", 1),
        "of these kept after training": decimal("kept", 1),
        "On the true front": count("true_front"),
    },
    once=("Data set", "Accuracy"),
    reads=("fronts",),
    target="pareto",
    section="search",
    rank=20,
)
def pareto(inputs: Inputs) -> Made:
    """Return how much of each cost's true front each search finds under each guide.

    Raises
    ------
    DataFileError
        When there is no file, or one is damaged.
    """
    files = read_fronts(inputs.fronts)
    return Made([row for file in files for row in _rows(file)], made_from(files))


def read_fronts(paths: tuple[Path, ...]) -> list[xr.Dataset]:
    """Read the files of searches under costs.

    Raises
    ------
    DataFileError
        When there is none, or one is missing or damaged.
    """
    if not paths:
        raise DataFileError("expected files of kind fronts, found none; run the target pareto")
    return [read_dataset(path, "fronts") for path in paths]


def made_from(files: Sequence[xr.Dataset]) -> MadeFrom:
    """Return what is behind tables of these files: their costs too, and where one is unknown."""
    found = data_line(files)
    told = [found.text]
    told += dict.fromkeys(f"costs: {file.attrs['cost_source']}" for file in files)
    told += [
        f"{file.attrs['cost_title']} not known of {number(unknown, 0)} architectures"
        for file in files
        if (unknown := float(file.attrs["cost_unknown"]))
    ]
    return replace(found, text="; ".join(told))


def guide_title(guide: str) -> str:
    """Return what a guide is called."""
    return TRAINED if guide == ACCURACY else guide


def with_units(title: str, units: str) -> str:
    """Return a cost with its units; counts have none."""
    return title if units in ("1", "") else f"{title} ({units})"


def about(file: xr.Dataset) -> dict[str, Any]:
    """Return what is the same in all rows of a file."""
    attributes = file.attrs
    return {
        "space": attributes["space"],
        "dataset": attributes["dataset"],
        "outcome": attributes["headline_outcome"],
        "cost": attributes["cost"],
        "cost_title": attributes["cost_title"],
        "units": attributes["cost_units"],
        "note": attributes["cost_note"],
    }


def _rows(file: xr.Dataset) -> Iterator[dict[str, Any]]:
    common = {
        **about(file),
        "true_front": int(file["true_front"].sum()),
        "reference_accuracy": file.attrs["reference_accuracy"],
        "reference_cost": file.attrs["reference_cost"],
    }
    for guide in texts(file["guide"]):
        own = {**common, "guide": guide_title(guide)}
        for search in texts(file["front_search"]):
            for budget in file["budget"].to_numpy().tolist():
                at = file.sel(guide=guide, front_search=search, budget=budget)
                share = floats(at["hypervolume"])
                mean, std, low, high = mean_interval(share)
                yield {
                    **own,
                    "search": SEARCH_TITLES[search],
                    "budget": budget,
                    "runs": len(share),
                    "hypervolume": mean,
                    "hypervolume_std": std,
                    "hypervolume_low": low,
                    "hypervolume_high": high,
                    "found": float(at["found"].mean()),
                    "kept": float(at["kept"].mean()),
                }
        at = file.sel(guide=guide)
        yield {
            **own,
            "search": WHOLE,
            "budget": file.sizes["arch"],
            "runs": 1,
            "hypervolume": float(at["whole_hypervolume"]),
            "found": float(at["whole_found"]),
            "kept": float(at["whole_kept"]),
        }
