"""Networks that people use: whether proxies rank them, beside their size, family and year.

Networks of a zoo differ in their training as well as in their architecture, and the later and the
larger ones are the better ones. So beside the rank correlation of a score with accuracy stands
what is left of it given the number of parameters, and within families of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, plain, shown_as
from trainfree.analysis.inputs import (
    Floats,
    accuracy_of,
    floats,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
    value_counts,
)
from trainfree.analysis.proxies.correlations import correlate, exclusion_reasons
from trainfree.analysis.proxies.proxies import partial, spearman_draws
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    percentile_interval,
)
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError

if TYPE_CHECKING:
    import xarray as xr

ZOO = "zoo_"
"""What the names of spaces begin with that are model zoos."""
FAMILY = "family "
"""What the names of parts of a space begin with that are families."""
FEWEST_OF_A_FAMILY = 4
YEAR = "year"
MEASURES = ("spearman", "kendall", "given_params")
MEASURED = tuple(name + bound for name in MEASURES for bound in ("", "_low", "_high"))
NAMED = ("space", "dataset", "setting")
_SHOWN = shown_as(
    {
        "Zoo": plain("space"),
        "Setting": plain("setting"),
        "Proxy": plain("proxy"),
        "n": count("n"),
        "Spearman ρ": interval("spearman"),
        "Kendall τ-b": interval("kendall"),
        "ρ given params": interval("given_params"),
        "ρ within families": decimal("within_families", 3),
        "families": count("families"),
        "ρ with year": decimal("with_year", 3),
        "Without a score": lambda row: row["without_score"] or "none",
        "Note": plain("note"),
    }
)


def _best_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers, the highest correlation of each zoo first."""
    places = {name: place for place, name in enumerate(dict.fromkeys(frame["space"]))}
    placed = frame.assign(place=frame["space"].map(places))
    return _SHOWN(placed.sort_values(["place", "spearman"], ascending=[True, False], kind="stable"))


@table(
    title="Widely used networks: rank correlation of scores with published accuracy, given the "
    "number of parameters, and mean within families. The networks differ in their training as "
    "well as in their architecture",
    columns=(
        *text(*NAMED, "proxy", "target"),
        *numbers("n", *MEASURED, "within_families", "families", "in_families", "with_year"),
        *text("without_score"),
        *numbers("resamples"),
        *text("note"),
    ),
    shown=_best_first,
    once=("Setting",),
    reads=("scores", "benchmarks"),
    of="across",
    target="zoo",
    settings=RESAMPLING,
    section="proxies",
    rank=60,
    minutes=30,
)
def zoo(inputs: Inputs) -> Made:
    """Return a row for each zoo and proxy, and one for the year of the networks' papers.

    ``given_params`` is the partial rank correlation given the number of parameters; ranks of a
    number and of its logarithm are the same. ``within_families`` is the mean over families of at
    least four networks of Spearman's ρ within each; ``with_year`` is ρ of the score with the year.

    Raises
    ------
    DataFileError
        When no zoo is configured, or a file is missing, damaged or of another space.
    """
    every = {path: read_scores(path) for path in inputs.scores}
    scores = {path: data for path, data in every.items() if _is_zoo(data)}
    if not scores:
        raise DataFileError("no zoo is named; name some in across.spaces, as config/zoo.yaml does")
    every = {path: read_benchmark(path) for path in inputs.some("benchmarks")}
    trained = {path: data for path, data in every.items() if _is_zoo(data)}
    by_space = {str(found.attrs["space"]): path for path, found in trained.items()}
    rows: list[dict[str, Any]] = []
    for path, scored in scores.items():
        space = score_settings(scored, path)["space"]
        if space not in by_space:
            raise DataFileError(f"{path}: expected a benchmark of {space} as well, found none")
        known = by_space[space]
        rows += _Zoo(path, scored, known, trained[known], inputs.settings).rows()
    return Made(rows, data_line([*scores.values(), *trained.values()], apart="setting"))


def _is_zoo(data: xr.Dataset) -> bool:
    return str(data.attrs.get("space", "")).startswith(ZOO)


class _Zoo:
    """One zoo: what is known of its scored networks, in the order of the scores file."""

    def __init__(
        self,
        path: Path,
        scored: xr.Dataset,
        benchmark: Path,
        trained: xr.Dataset,
        settings: AnalysisSettings,
    ) -> None:
        self._scored, self._settings = scored, settings
        self._named = score_settings(scored, path)
        target = targets(trained, self._named["dataset"], benchmark)[0]
        self._target = target.name
        self._accuracy = accuracy_of(target, scored, path, benchmark)
        self._params = floats(scored["params"])
        names = pd.Index(texts(trained["architecture"]))
        rows = names.get_indexer(pd.Index(texts(scored["architecture"])))
        known = trained.isel(arch=rows)
        years = known.get(YEAR)
        self._year = np.full(len(rows), np.nan) if years is None else floats(years)
        self._families = _families(known)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each proxy, and one for the year where it is known."""
        for proxy in texts(self._scored["proxy"]):
            score = floats(self._scored["score"].sel(proxy=proxy))
            status = status_names(self._scored, proxy)
            reasons = exclusion_reasons(score, status, self._accuracy)["all"]
            yield self._row(proxy, score, reasons)
        if not np.isnan(self._year).all():
            unknown = np.where(np.isnan(self._year), "without a year", "").astype(object)
            yield self._row(YEAR, self._year, unknown)

    def _row(self, proxy: str, score: Floats, reasons: Any) -> dict[str, Any]:
        kept = reasons == ""
        resamples, seed = self._settings.bootstrap_resamples, self._settings.seed
        found = correlate(score[kept], self._accuracy[kept], resamples, seed)
        row = {
            **self._named,
            **{"proxy": proxy, "target": self._target, "n": int(kept.sum())},
            **{name: found[name] for name in (*MEASURED, "resamples", "note") if name in found},
            "without_score": value_counts(reasons[~kept]),
        }
        if found["resamples"]:
            row |= self._given_params(score[kept], kept)
            row |= self._within(score, kept)
            row["with_year"] = _spearman(score, self._year, kept & ~np.isnan(self._year))
        return row

    def _given_params(self, score: Floats, kept: Any) -> dict[str, float]:
        """Return the partial rank correlation given parameters, with its interval."""
        resamples, seed = self._settings.bootstrap_resamples, self._settings.seed
        columns = score, self._accuracy[kept], self._params[kept]
        ab, ac, bc = (
            spearman_draws(columns[one], columns[other], resamples, seed)
            for one, other in ((0, 1), (0, 2), (1, 2))
        )
        values = partial(ab, ac, bc)
        low, high = percentile_interval(values[1:])
        return {
            "given_params": float(values[0]),
            "given_params_low": low,
            "given_params_high": high,
        }

    def _within(self, score: Floats, kept: Any) -> dict[str, float]:
        """Return the mean correlation within families, their number and that of their networks."""
        chosen = [kept & family for family in self._families.values()]
        large = [rows for rows in chosen if rows.sum() >= FEWEST_OF_A_FAMILY]
        found = np.array([_spearman(score, self._accuracy, rows) for rows in large])
        defined = found[~np.isnan(found)]
        networks = sum(
            int(rows.sum()) for rows, value in zip(large, found, strict=True) if value == value
        )
        mean = float(defined.mean()) if defined.size else np.nan
        return {"within_families": mean, "families": len(defined), "in_families": networks}


def _families(known: xr.Dataset) -> dict[str, Any]:
    """Return (arch,) which networks are in each family that the benchmark names."""
    if "in_subset" not in known:
        return {}
    names = texts(known["subset"])
    inside = known["in_subset"].transpose("arch", "subset").to_numpy().astype(bool)
    return {
        name.removeprefix(FAMILY): inside[:, place]
        for place, name in enumerate(names)
        if name.startswith(FAMILY)
    }


def _spearman(first: Floats, second: Floats, rows: Any) -> float:
    """Return ρ over some of the rows; NaN where it is not defined."""
    return float(PairedRanks(first[rows], second[rows]).statistics().spearman)
