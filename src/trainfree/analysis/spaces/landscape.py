"""How accuracy lies in a space: walks, distance, replaced operations, shapes and budgets.

The analyses of Ying et al., "NAS-Bench-101", ICML 2019, for any space that has a landscape file.
Each row says of which architectures its number is, since sources do not hold every number of every
architecture. Intervals cover 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, number, plain
from trainfree.analysis.inputs import Floats
from trainfree.analysis.spaces.trained_space import TrainedSpace
from trainfree.analysis.statistics.landscape_statistics import (
    autocorrelations,
    mean_interval,
    replacement_effects,
)
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.tables import names_of, numbers, text
from trainfree.errors import DataFileError
from trainfree.files.reading import read_text
from trainfree.files.storage import read_dataset
from trainfree.randomness import stream

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = (
    *text("space", "analysis", "item", "quantity", "sample"),
    *numbers("n", "estimate", "low", "high", "published"),
    *text("note"),
)
LAGS = (1, 2, 3, 4, 6, 9, 12, 16, 20, 25, 30, 36, 42, 49, 64, 81, 100, 144)
MOST_PAIRS_RESAMPLED = 30_000
TOP_SHARE = 0.1
SECONDS = "training time"
AUTOCORRELATION = "random-walk autocorrelation"


@table(
    title="Search space: accuracy landscape (95 % intervals)",
    columns=COLUMNS,
    shown={
        "Analysis": plain("analysis"),
        "Of": plain("item"),
        "Quantity": plain("quantity"),
        "Sample": plain("sample"),
        "n": count("n"),
        "Estimate": interval("estimate", low="low", high="high"),
        "Published": decimal("published", 3),
        "Note": plain("note"),
    },
    reads=("benchmark", "landscape", "published_landscape"),
    of="space",
    target="landscape",
    settings=RESAMPLING,
    section="landscape",
    minutes=30,
)
def landscape(inputs: Inputs) -> Made:
    """Return a space's analyses, the published numbers beside them.

    Raises
    ------
    DataFileError
        When a file is missing or damaged or the two are not of one space.
    """
    path, resamples = inputs.file("landscape"), inputs.settings.bootstrap_resamples
    shape = read_dataset(path, "landscape")
    trained = TrainedSpace(inputs.file("benchmark"), shape, path)
    rng = stream(inputs.settings.seed, "landscape/bootstrap")
    rows = [
        *_autocorrelation_rows(trained, shape, resamples, rng),
        *_distance_rows(trained, shape),
        *_replacement_rows(trained, shape, resamples, rng),
        *_shape_rows(trained, shape),
        *_budget_rows(trained, resamples, rng),
    ]
    frame = pd.DataFrame(rows)
    frame.insert(0, "space", trained.space)
    frame = _beside_published(frame, inputs.published_landscape)
    title = f"Search space {trained.space}: how accuracy lies in it (95 % intervals)"
    return Made(frame, trained.made_from, title)


def _row(
    analysis: str,
    item: str,
    quantity: str,
    sample: str,
    n: int,
    values: tuple[float, float, float],
    note: str = "",
) -> dict[str, Any]:
    estimate, low, high = values
    return {
        "analysis": analysis,
        "item": item,
        "quantity": quantity,
        "sample": sample,
        "n": n,
        "estimate": estimate,
        "low": low,
        "high": high,
        "note": note,
    }


def _accuracy_name(key: tuple[str, str, int]) -> str:
    dataset, split, epochs = key
    return f"{dataset}/{split}/{epochs} accuracy"


def _autocorrelation_rows(
    trained: TrainedSpace, shape: xr.Dataset, resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    walks, moved = shape["walk"].to_numpy(), shape["walk_distance"].to_numpy()
    for key, column in trained.longest().items():
        along = column[walks]
        if np.isnan(along).any():
            continue  # a walk meets architectures without this accuracy
        lags = [lag for lag in LAGS if lag < walks.shape[1] // 2]
        sample = f"{number(walks.shape[0], 0)} walks of {number(walks.shape[1], 0)} steps"
        found = autocorrelations(along, lags, resamples, rng)
        for lag, values in zip(lags, found, strict=True):
            yield _row(
                AUTOCORRELATION,
                f"lag {lag}",
                _accuracy_name(key),
                sample,
                walks.shape[0] * (walks.shape[1] - lag),
                values,
                f"distance √lag = {math.sqrt(lag):.2f}; "
                f"{moved[:, lag].mean():.2f} changes from the start on average",
            )
        silent = [lag for lag, (_, low, high) in zip(lags, found, strict=True) if low <= 0 <= high]
        yield _row(
            AUTOCORRELATION,
            "smallest distance √lag without correlation",
            _accuracy_name(key),
            sample,
            walks.size,
            (math.sqrt(min(silent)) if silent else np.nan, np.nan, np.nan),
            "the interval holds 0" if silent else "no interval holds 0",
        )


def _distance_rows(trained: TrainedSpace, shape: xr.Dataset) -> Iterator[dict[str, Any]]:
    distance = shape["distance"].to_numpy().astype(np.float64)
    name = "fitness-distance"
    for key, column in trained.longest().items():
        known = ~np.isnan(column)
        sample, quantity = trained.sample(int(known.sum())), _accuracy_name(key)
        pairs = PairedRanks(distance[known], column[known]).statistics()
        for statistic, value in (("Spearman", pairs.spearman), ("Pearson", pairs.pearson)):
            yield _row(
                name,
                f"{statistic} correlation",
                f"{quantity} with distance to the best",
                sample,
                int(known.sum()),
                (value, np.nan, np.nan),
            )
        for steps in np.unique(distance).astype(int).tolist():
            at = column[known & (distance == steps)]
            share = (distance == steps).mean()
            yield _row(
                name,
                f"distance {steps}",
                f"mean {quantity}",
                sample,
                len(at),
                mean_interval(at),
                f"{100 * share:.3g} % of the space",
            )


def _replacement_rows(
    trained: TrainedSpace, shape: xr.Dataset, resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    kinds = str(shape["kind"].attrs["flag_meanings"]).split()
    before, after, kind_of = (shape[name].to_numpy() for name in ("before", "after", "kind"))
    seconds = trained.seconds()
    quantities = {
        f"{_accuracy_name(key)}, points": (column, False)
        for key, column in trained.longest().items()
    } | {f"{SECONDS}, %": (seconds, True)}
    for quantity, (column, relative) in quantities.items():
        effects = replacement_effects(
            column, before, after, kind_of, len(kinds), relative, resamples, rng
        )
        sample = trained.sample(int((~np.isnan(column)).sum()))
        for kind, (n, *values) in zip(kinds, effects, strict=True):
            old, _, new = kind.partition(">")
            yield _row(
                "operation replaced",
                f"{old} by {new}",
                quantity,
                f"pairs within {sample}",
                int(n),
                (values[0], values[1], values[2]),
            )


def _shape_rows(trained: TrainedSpace, shape: xr.Dataset) -> Iterator[dict[str, Any]]:
    quantities = {f"mean {_accuracy_name(k)}": column for k, column in trained.longest().items()}
    quantities[f"mean {SECONDS}, s"] = trained.seconds()
    for name in ("depth", "width"):
        values = shape[name].to_numpy()
        for quantity, column in quantities.items():
            sample = trained.sample(int((~np.isnan(column)).sum()))
            for value in np.unique(values).tolist():
                at = column[values == value]
                at = at[~np.isnan(at)]
                if len(at):
                    yield _row(name, str(value), quantity, sample, len(at), mean_interval(at))


def _budget_rows(
    trained: TrainedSpace, resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    accuracies = trained.accuracies()
    for one, other in combinations(accuracies, 2):
        same_split = one[:2] == other[:2]
        same_length = one[::2] == other[::2]
        if not (same_split or same_length):
            continue
        first, last = accuracies[one], accuracies[other]
        known = ~np.isnan(first) & ~np.isnan(last)
        if known.sum() < len(LAGS):
            continue
        first, last = first[known], last[known]
        item = f"{'/'.join(map(str, one))} and {'/'.join(map(str, other))}"
        sample = trained.sample(int(known.sum()))
        yield from _correlation_rows(item, sample, first, last, resamples, rng)
        if same_split:
            top = last >= np.quantile(last, 1 - TOP_SHARE)
            best = f"best {TOP_SHARE:.0%} of {sample} by the longer training"
            yield from _correlation_rows(item, best, first[top], last[top], resamples, rng)


def _correlation_rows(
    item: str,
    sample: str,
    first: Floats,
    last: Floats,
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    pairs = PairedRanks(first, last)
    found = pairs.statistics()
    few = len(first) <= MOST_PAIRS_RESAMPLED
    drawn = bootstrap(pairs, resamples if few else 0, rng)
    for place, statistic in enumerate(found._fields):
        yield _row(
            "training budgets",
            item,
            statistic.capitalize(),
            sample,
            len(first),
            (found[place], *percentile_interval(drawn[:, place])),
        )


def _beside_published(frame: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """Add the published numbers, and whether the interval holds them, to the rows they fit."""
    keys = ["space", "analysis", "item", "quantity", "sample_starts"]
    published = np.full(len(frame), np.nan)
    notes = frame["note"].to_numpy(dtype=object).copy()
    for position, entry in enumerate(_published_entries(path, keys)):
        rows = np.ones(len(frame), dtype=bool)
        for key in keys[:-1]:
            rows &= (frame[key] == entry[key]).to_numpy()
        rows &= frame["sample"].str.startswith(entry["sample_starts"]).to_numpy()
        if not isinstance(entry["value"], int | float):
            raise DataFileError(f"{path}: entry {position + 1}: expected a number as value")
        published[rows] = entry["value"]
        bounded = frame["low"].notna()
        inside = frame["low"].le(entry["value"]) & frame["high"].ge(entry["value"])
        for row in np.flatnonzero(rows):
            place = "inside" if inside.iloc[row] else "outside"
            verdict = f"published value {place} the interval" if bounded.iloc[row] else ""
            parts = (notes[row], verdict, entry["note"])
            notes[row] = "; ".join(part for part in parts if part)
    frame = frame.assign(published=published, note=notes)
    return frame[names_of(COLUMNS)]


def _published_entries(path: Path | None, keys: list[str]) -> list[dict[str, Any]]:
    if path is None:
        return []
    try:
        entries = yaml.safe_load(read_text(path, "no such file of published numbers"))
    except yaml.YAMLError as error:
        raise DataFileError(f"{path}: is not valid YAML: {error}") from error
    wanted = {*keys, "value", "note"}
    for position, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        if not isinstance(entry, dict) or set(entry) != wanted:
            raise DataFileError(
                f"{path}: entry {position + 1}: expected the keys {', '.join(sorted(wanted))}"
            )
    return list(entries)
