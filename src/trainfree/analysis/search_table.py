"""What searches find: accuracy of the answers by algorithm, signal and number of evaluations.

Two control rows stand beside the searches: a random architecture (the first step of random
search) and the best of N (random search that sees trained accuracy), the ceiling for N draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.published import Published, read_published
from trainfree.analysis.tables import (
    number,
    seconds,
    with_interval,
    with_spread,
    without_constants,
    write_tables,
)
from trainfree.errors import DataFileError
from trainfree.storage import read_dataset

TITLE = "Accuracy of the architectures found, mean ± standard deviation over runs"
RANDOM_ARCHITECTURE = "random architecture"
ORACLE = "best of N (oracle)"
ACCURACY = "accuracy"
COLUMNS = (
    *("space", "dataset", "row", "algorithm", "signal", "budget", "outcome", "headline", "runs"),
    *("accuracy_mean", "accuracy_std", "accuracy_low", "accuracy_high"),
    *("scoring_seconds", "training_seconds"),
    *("published_mean", "published_std", "difference", "comparable", "published_where", "note"),
)


def tabulate_search(
    searches: Sequence[Path], output_stem: Path, published: Path | None
) -> pd.DataFrame:
    """Write the table of search results and return it.

    Parameters
    ----------
    searches
        Search files, of one or more data sets, algorithms and signals.
    output_stem
        ``results/tables/search``; the suffixes .csv, .md and .tex are added.
    published
        The papers' numbers, see ``reports/published``.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    beside = None if published is None else read_published(published)
    files = [read_search(path) for path in searches]
    rows: list[dict[str, Any]] = []
    for search in files:
        rows.extend(_budget_rows(search, beside))
    for search in _first_steps(files):
        rows.extend(_random_rows(search, beside))
    rows.sort(key=_place)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_tables(frame, *show_search(frame), output_stem)
    return frame


def read_search(path: Path) -> xr.Dataset:
    """Read a search file and check the attributes that tables and figures need.

    Raises
    ------
    DataFileError
        When the file is missing, damaged or lacks an attribute.
    """
    search = read_dataset(path, "search")
    needed = ("space", "dataset", "algorithm", "signal", "headline_outcome")
    missing = [key for key in needed if key not in search.attrs]
    if missing:
        raise DataFileError(f"{path}: lacks the attribute {', '.join(missing)}; make it anew")
    return search


def row_name(algorithm: str, signal: str) -> str:
    """Return how a search is called in tables and figures."""
    if signal == ACCURACY:
        return ORACLE if algorithm == "random" else f"{algorithm}, trained accuracy"
    return f"{algorithm}, {signal}"


def show_search(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the table for readers and its title.

    It has the headline accuracy, and others where there is a published value.

    One cell holds mean and spread, one the interval.
    """
    frame = frame[(frame["headline"] == "yes") | frame["published_mean"].notna()]
    mean = list(zip(frame["accuracy_mean"], frame["accuracy_std"], strict=True))
    interval = zip(
        frame["accuracy_mean"], frame["accuracy_low"], frame["accuracy_high"], strict=True
    )
    beside = zip(frame["published_mean"], frame["published_std"], strict=True)
    shown = pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Search": frame["row"],
            "N": [number(budget, 0) for budget in frame["budget"]],
            "Accuracy": frame["outcome"].map(outcome_title),
            "Runs": [number(runs, 0) for runs in frame["runs"]],
            "Measured (%)": [with_spread(*cells) for cells in mean],
            "95 % interval": [
                with_interval(*cells, digits=2).partition(" ")[2] for cells in interval
            ],
            "Published (%)": [with_spread(*cells) for cells in beside],
            "Scoring (s)": [seconds(value) for value in frame["scoring_seconds"]],
            "Training (s, simulated)": [seconds(value) for value in frame["training_seconds"]],
            "Comparable": frame["comparable"].fillna(""),
        }
    )
    return without_constants(shown, ("Data set", "Accuracy", "Runs"), TITLE)


def mean_interval(values: Floats) -> tuple[float, float, float, float]:
    """Return mean, sample standard deviation (ddof 1) and the 95 % Student interval of the mean.

    NaN values are left out; with one value there is no spread and no interval.
    """
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return np.nan, np.nan, np.nan, np.nan
    mean = float(values.mean())
    if n == 1:
        return mean, np.nan, np.nan, np.nan
    spread = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * spread / float(np.sqrt(n))
    return mean, spread, mean - half, mean + half


def mean_of(values: Floats) -> float:
    """Return the mean without NaN, NaN when nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _budget_rows(search: xr.Dataset, published: Published | None) -> Iterator[dict[str, Any]]:
    algorithm, signal = str(search.attrs["algorithm"]), str(search.attrs["signal"])
    name = row_name(algorithm, signal)
    for budget in search["budget"].to_numpy().tolist():
        step = min(budget, search.sizes["step"]) - 1
        for outcome in texts(search["outcome"]):
            values = floats(search["answer_accuracy"].sel(budget=budget, outcome=outcome))
            yield _row(search, name, budget, outcome, values, step, published)


def _first_steps(files: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return one random search for each data set, that on trained accuracy where there is one."""
    chosen: dict[tuple[str, str], xr.Dataset] = {}
    for search in files:
        key = (str(search.attrs["space"]), str(search.attrs["dataset"]))
        if search.attrs["algorithm"] != "random":
            continue
        if key not in chosen or search.attrs["signal"] == ACCURACY:
            chosen[key] = search
    return list(chosen.values())


def _random_rows(search: xr.Dataset, published: Published | None) -> Iterator[dict[str, Any]]:
    headline = str(search.attrs["headline_outcome"])
    for outcome in texts(search["outcome"]):
        if outcome == headline:
            values = floats(search["trace_accuracy"].isel(step=0))
        elif 1 in search["budget"]:
            values = floats(search["answer_accuracy"].sel(budget=1, outcome=outcome))
        else:
            continue  # the file holds the first step's accuracy for the headline only
        row = _row(search, RANDOM_ARCHITECTURE, 1, outcome, values, 0, published)
        note = "the first architecture of each random search; needs neither scores nor training"
        yield row | {
            "signal": "",
            "scoring_seconds": np.nan,
            "training_seconds": np.nan,
            "note": note,
        }


def _row(
    search: xr.Dataset,
    name: str,
    budget: int,
    outcome: str,
    accuracy: Floats,
    step: int,
    published: Published | None,
) -> dict[str, Any]:
    attributes = search.attrs
    mean, spread, low, high = mean_interval(accuracy)
    control = name if name in (RANDOM_ARCHITECTURE, ORACLE) else ""
    cell = None
    if published is not None and attributes["dataset"] == published.searched_on:
        cell = published.accuracy(
            control, attributes["algorithm"], attributes["signal"], budget, outcome
        )
    return {
        "space": attributes["space"],
        "dataset": attributes["dataset"],
        "row": name,
        "algorithm": attributes["algorithm"],
        "signal": attributes["signal"],
        "budget": budget,
        "outcome": outcome,
        "headline": "yes" if outcome == attributes["headline_outcome"] else "no",
        "runs": int((~np.isnan(accuracy)).sum()),
        "accuracy_mean": mean,
        "accuracy_std": spread,
        "accuracy_low": low,
        "accuracy_high": high,
        "scoring_seconds": mean_of(floats(search["scoring_seconds"].isel(step=step))),
        "training_seconds": mean_of(floats(search["training_seconds"].isel(step=step))),
        "published_mean": np.nan if cell is None else cell.value,
        "published_std": np.nan if cell is None else cell.spread,
        "difference": np.nan if cell is None else mean - cell.value,
        "comparable": "" if cell is None else cell.comparable,
        "published_where": "" if cell is None else f"{cell.paper}; {cell.table}, {cell.row}",
        "note": str(attributes.get("signal_note", "")),
    }


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort by data set, headline first; the controls enclose the searches."""
    controls = {RANDOM_ARCHITECTURE: 0, ORACLE: 2}
    by_training = row["signal"] == ACCURACY
    return (
        row["space"],
        row["dataset"],
        row["headline"] == "no",
        row["outcome"],
        controls.get(row["row"], 1),
        by_training,
        row["row"],
        row["budget"],
    )
