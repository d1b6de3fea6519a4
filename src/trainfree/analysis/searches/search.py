"""What searches find: accuracy of the answers by algorithm, signal and number of evaluations.

Two control rows stand beside the searches: a random architecture (the first step of random
search) and the best of N (random search that sees trained accuracy), the ceiling for N draws.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import (
    budget_text,
    count,
    duration,
    measured,
    plain,
    shown_as,
    spread,
    with_interval,
)
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.published import Published
from trainfree.analysis.run_files import search_title
from trainfree.analysis.statistics.drawn_runs import draws_of, half_interval, standard_error
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.trainings import ACCURACY, EVALUATIONS, budget_kind

if TYPE_CHECKING:
    import xarray as xr

RANDOM_ARCHITECTURE = "random architecture"
ORACLE = "best of N (oracle)"
CONTROLS = {RANDOM_ARCHITECTURE: "random", ORACLE: "oracle"}


def _headlines(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: the headline accuracy, and others with a published value."""
    chosen = frame[(frame["headline"] == "yes") | frame["published_mean"].notna()]
    return _SHOWN(chosen)


_SHOWN = shown_as(
    {
        "Data set": plain("dataset"),
        "Search": plain("search"),
        "What it is": plain("row"),
        "Budget": lambda row: budget_text(row["budget"], row["budget_kind"]),
        "Accuracy": lambda row: outcome_title(row["outcome"]),
        "Runs": count("runs"),
        "Measured (%)": measured("accuracy_mean", "accuracy_std"),
        "95 % interval": lambda row: with_interval(
            row["accuracy_mean"], row["accuracy_low"], row["accuracy_high"], digits=2
        ).partition(" ")[2],
        "Published (%)": spread("published_mean", "published_std"),
        "Scoring (s)": duration("scoring_seconds"),
        "Training (s, simulated)": duration("training_seconds"),
        "Comparable": plain("comparable"),
    }
)


@table(
    title="Accuracy of the architectures found, mean ± standard deviation over runs",
    columns=(
        *text("space", "dataset", "search", "row", "algorithm", "signal"),
        *numbers("budget"),
        *text("budget_kind", "outcome", "headline"),
        *numbers("runs", "accuracy_mean", "accuracy_std", "accuracy_low", "accuracy_high"),
        *numbers("scoring_seconds", "training_seconds"),
        *numbers("published_mean", "published_std", "difference"),
        *text("comparable", "published_where", "note"),
    ),
    shown=_headlines,
    once=("Data set", "Accuracy", "Runs"),
    reads=("searches", "published"),
    section="search",
    rank=1,
    memory_mb=1000,
)
def search(inputs: Inputs) -> Made:
    """Return what each search finds at each budget, beside two controls.

    Raises
    ------
    DataFileError
        When there is no search, or a file is damaged.
    """
    beside = inputs.first_paper
    files = [read_search(path) for path in inputs.searched]
    rows: list[dict[str, Any]] = []
    for found, described in zip(files, descriptions(files), strict=True):
        rows.extend(_budget_rows(found, described, beside))
    for found in _first_steps(files):
        rows.extend(_random_rows(found, beside))
    rows.sort(key=_place)
    made_from = data_line(files)
    made_from = replace(made_from, text="; ".join([made_from.text, *_clock_notes(files)]))
    return Made(rows, made_from)


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
        raise DataFileError(f"{path}: lacks the attribute {', '.join(missing)}; make it again")
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


def mean_interval(
    values: Floats, draws: NDArray[np.int64] | None = None
) -> tuple[float, float, float, float]:
    """Return mean, sample standard deviation (ddof 1) and the 95 % Student interval of the mean.

    NaN values are left out; with one value there is no spread and no interval. Runs that share
    draws of the scores are no independent ones, see
    :func:`~trainfree.analysis.statistics.drawn_runs.standard_error`.
    """
    known = ~np.isnan(values)
    values = values[known]
    n = len(values)
    if n == 0:
        return np.nan, np.nan, np.nan, np.nan
    mean = float(values.mean())
    if n == 1:
        return mean, np.nan, np.nan, np.nan
    draws = np.zeros(n, dtype=np.int64) if draws is None else draws[known]
    half = half_interval(*standard_error(values, draws))
    return mean, float(values.std(ddof=1)), mean - half, mean + half


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
    mean, spread, low, high = mean_interval(accuracy, draws_of(search))
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
