"""What searches find: accuracy of the answers by algorithm, signal and number of evaluations.

Two control rows stand beside the searches: a random architecture (the first step of random
search) and the best of N (random search that sees trained accuracy), the ceiling for N draws.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from trainfree.analysis.data_line import data_line
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.published import Published, read_published
from trainfree.analysis.run_files import search_title
from trainfree.analysis.tables import (
    budget_text,
    number,
    seconds,
    with_interval,
    with_spread,
    without_constants,
    write_tables,
)
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.trainings import ACCURACY, EVALUATIONS, budget_kind

TITLE = "Accuracy of the architectures found, mean ± standard deviation over runs"
RANDOM_ARCHITECTURE = "random architecture"
ORACLE = "best of N (oracle)"
CONTROLS = {RANDOM_ARCHITECTURE: "random", ORACLE: "oracle"}
COLUMNS = (
    *("space", "dataset", "search", "row", "algorithm", "signal", "budget", "budget_kind"),
    *("outcome", "headline", "runs"),
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
    for search, described in zip(files, descriptions(files), strict=True):
        rows.extend(_budget_rows(search, described, beside))
    for search in _first_steps(files):
        rows.extend(_random_rows(search, beside))
    rows.sort(key=_place)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = data_line(files)
    made_from = replace(made_from, text="; ".join([made_from.text, *_clock_notes(files)]))
    write_tables(frame, *show_search(frame), made_from, output_stem)
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


def descriptions(files: Sequence[xr.Dataset]) -> list[str]:
    """Return what each search is, with the settings in which others of the same kind differ.

    What it is called is :func:`~trainfree.analysis.run_files.search_title`, here as everywhere.
    """
    kinds = [(search.attrs["space"], search.attrs["dataset"], row_name(search)) for search in files]
    settings = [_settings(search) for search in files]
    found = []
    for kind, own in zip(kinds, settings, strict=True):
        alike = [other for at, other in zip(kinds, settings, strict=True) if at == kind]
        differing = [key for key in own if any(other.get(key) != own[key] for other in alike)]
        told = [] if kind[-1] in CONTROLS else [f"{key} {own[key]}" for key in differing]
        found.append(", ".join([kind[-1], *told]))
    return found


def _settings(search: xr.Dataset) -> dict[str, str]:
    """Return the settings of a search that no column shows, as text."""
    try:
        plan = json.loads(str(search.attrs.get("config", "")))["plan"]
        settings = {**plan["settings"], "overshoot": plan["overshoot"]}
    except (ValueError, KeyError, TypeError):
        return {}
    return {key.replace("_", " "): str(value) for key, value in settings.items() if value != ""}


def row_name(search: xr.Dataset) -> str:
    """Return what kind of search it is.

    Random search is the oracle where the accuracy that guides it is the one that is reported.
    """
    attributes = search.attrs
    algorithm, signal = str(attributes["algorithm"]), str(attributes["signal"])
    proxy, preset = (str(attributes.get(key, "")) for key in ("proxy", "preset"))
    by_number = budget_kind(attributes) == EVALUATIONS
    if algorithm == "random" and signal == ACCURACY and by_number and _sees_outcome(search):
        return ORACLE
    guides = ["trained accuracy" if signal == ACCURACY else signal]
    if proxy and proxy != signal:
        guides.append(f"assisted by {proxy}")
    if preset:
        guides.append(f"{preset} settings")
    return ", ".join([algorithm, *guides])


def _sees_outcome(search: xr.Dataset) -> bool:
    seen, reported = (
        floats(search[name].isel(step=0)) for name in ("trace_fitness", "trace_accuracy")
    )
    return bool(np.array_equal(seen, reported, equal_nan=True))


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
    budgets = zip(frame["budget"], frame["budget_kind"], strict=True)
    beside = zip(frame["published_mean"], frame["published_std"], strict=True)
    shown = pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Search": frame["search"],
            "What it is": frame["row"],
            "Budget": [budget_text(*pair) for pair in budgets],
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
    half = float(stdtrit(n - 1, 0.975)) * spread / float(np.sqrt(n))
    return mean, spread, mean - half, mean + half


def mean_of(values: Floats) -> float:
    """Return the mean without NaN, NaN when nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _clock_notes(files: Sequence[xr.Dataset]) -> list[str]:
    """Return what the simulated seconds are, for each way in which they were counted."""
    notes = dict.fromkeys(
        str(search.attrs.get("clock_note", "")).rstrip(".")
        for search in files
        if search.attrs["signal"] == ACCURACY
        and np.nan_to_num(floats(search["answer_training_seconds"])).any()
    )
    return [note for note in notes if note]


def _budget_rows(
    search: xr.Dataset, described: str, published: Published | None
) -> Iterator[dict[str, Any]]:
    kind = row_name(search)
    for budget in search["budget"].to_numpy().tolist():
        clocks = {
            clock: mean_of(floats(search[f"answer_{clock}"].sel(budget=budget)))
            for clock in ("scoring_seconds", "training_seconds")
        }
        for outcome in texts(search["outcome"]):
            values = floats(search["answer_accuracy"].sel(budget=budget, outcome=outcome))
            row = _row(search, search_title(search), described, budget, outcome, values)
            yield row | clocks | _beside(row, search.attrs, kind, published)


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
        row = _row(search, RANDOM_ARCHITECTURE, RANDOM_ARCHITECTURE, 1, outcome, values)
        note = "the first architecture of each random search; needs neither scores nor training"
        beside = _beside(row, search.attrs, RANDOM_ARCHITECTURE, published)
        yield row | beside | {"signal": "", "budget_kind": EVALUATIONS, "note": note}


def _row(
    search: xr.Dataset, name: str, described: str, budget: float, outcome: str, accuracy: Floats
) -> dict[str, Any]:
    attributes = search.attrs
    mean, spread, low, high = mean_interval(accuracy)
    return {
        "space": attributes["space"],
        "dataset": attributes["dataset"],
        "search": name,
        "row": described,
        "algorithm": attributes["algorithm"],
        "signal": attributes["signal"],
        "budget": budget,
        "budget_kind": budget_kind(attributes),
        "outcome": outcome,
        "headline": "yes" if outcome == attributes["headline_outcome"] else "no",
        "runs": int((~np.isnan(accuracy)).sum()),
        "accuracy_mean": mean,
        "accuracy_std": spread,
        "accuracy_low": low,
        "accuracy_high": high,
        "note": str(attributes.get("signal_note", "")),
    }


def _beside(
    row: Mapping[str, Any],
    attributes: Mapping[Any, Any],
    kind: str,
    published: Published | None,
) -> dict[str, Any]:
    """Return the published number beside a row and whether the two compare."""
    found = None
    if published is not None and published.has_searched(row["space"], row["dataset"]):
        if kind in CONTROLS:
            wanted = {"kind": CONTROLS[kind], "budget": row["budget"]}
        else:
            keys = ("algorithm", "signal", "budget", "budget_kind")
            wanted = {"kind": "answer", **{key: row[key] for key in keys}}
            wanted |= {key: attributes.get(key, "") for key in ("search", "preset", "proxy")}
        found = published.accuracy(wanted, str(row["outcome"]))
    if found is None:
        return {"comparable": "", "published_where": ""}
    cell = found.cell
    return {
        "published_mean": cell.value,
        "published_std": cell.spread,
        "difference": row["accuracy_mean"] - cell.value,
        "comparable": found.comparable,
        "published_where": f"{cell.paper}; {cell.table}, {cell.row}",
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
        row["search"],
        row["budget"],
    )
