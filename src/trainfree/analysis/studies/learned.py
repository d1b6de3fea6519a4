"""How forests rank after a few trainings, and each proxy beside them, which needs none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import (
    MISSING,
    Row,
    count,
    count_of,
    duration,
    plain,
    shown_as,
    with_interval,
    with_spread,
)
from trainfree.analysis.inputs import Floats, floats, texts
from trainfree.analysis.origins import MadeFrom, data_files
from trainfree.analysis.proxies.proxy_outcomes import outcome_name
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.analysis.tables import numbers, text
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

MEASURES = ("kendall", "spearman")
PLACE = ("space", "dataset", "setting", "subset", "kind", "outcome")
_SPREADS = ("", "_sd", "_low", "_high")


def _measured(name: str) -> Any:
    """Show mean ± deviation and interval of a forest; the one value of a proxy."""

    def cell(row: Row) -> str:
        if not row["draws"] > 0:
            return with_interval(row[name], np.nan, np.nan)
        spread = with_spread(row[name], row[f"{name}_sd"], 3)
        bounds = with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
        return spread if spread == MISSING else f"{spread} {bounds.partition(' ')[2]}".rstrip()

    return cell


_SHOWN = shown_as(
    {
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Part": plain("subset"),
        "Outcome": lambda row: outcome_name(row["kind"], row["outcome"]),
        "Learned from": plain("features"),
        "Features": count("width"),
        "Trainings": count("trainings"),
        "Draws": count("draws"),
        "n": count("n"),
        "Kendall τ-b": _measured("kendall"),
        "Spearman ρ": _measured("spearman"),
        "Seconds": duration("seconds"),
        "Note": plain("note"),
    }
)


def _with_best_alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: of the proxies alone, the one that ranks best."""
    alone = frame[frame["trainings"] == 0]
    strength = alone["kendall"].abs().dropna()
    by_outcome = strength.groupby([alone.loc[strength.index, key] for key in PLACE])
    best = set(by_outcome.idxmax()) if len(strength) else set()
    kept = (frame["trainings"] > 0) | frame.index.isin(best)
    return _SHOWN(frame[kept])


@table(
    title="Rank correlation of a random forest's predictions by number of trained architectures: "
    "mean ± standard deviation over draws of these architectures [interval of 95 % of the draws]; "
    "without training, the best single proxy (the CSV file has all)",
    columns=(
        *text(*PLACE, "features"),
        *numbers("width", "trainings", "draws", "n"),
        *numbers(*(name + end for name in MEASURES for end in _SPREADS)),
        *numbers("seconds"),
        *text("note"),
    ),
    shown=_with_best_alone,
    once=("Data set", "Setting", "Part", "Note"),
    reads=("learned",),
    target="learned",
    section="proxies",
    rank=40,
    minutes=10,
)
def learned(inputs: Inputs) -> Made:
    """Return a row for each quantity, set of features and number of trainings.

    Each proxy alone has a row without trainings. Kendall's tau-b and Spearman's rho are of the
    architectures that were not trained, those of a proxy of all.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    studies = [read_dataset(path, "learned") for path in inputs.some("learned")]
    rows = [row for study in studies for row in _rows_of(study)]
    told = " ".join(dict.fromkeys(map(study_note, studies))).rstrip(".")
    return Made(rows, MadeFrom(told, data_files(study.attrs for study in studies)))


def over_draws(values: Floats) -> tuple[float, float, float, float]:
    """Return mean, standard deviation and the ends of the interval that 95 % of the draws are in.

    Parameters
    ----------
    values
        (draw,); all are NaN where the draws could not be made. A single draw without a rank
        correlation (all predictions equal) is left out of the mean and the deviation, and leaves
        the ends open.
    """
    defined = values[~np.isnan(values)]
    if not defined.size:
        return (np.nan,) * 4
    deviation = float(defined.std(ddof=1)) if defined.size > 1 else np.nan
    return (float(defined.mean()), deviation, *percentile_interval(values))


def _rows_of(study: xr.Dataset) -> Iterator[dict[str, Any]]:
    place = {key: str(study.attrs[key]) for key in PLACE if key != "outcome"}
    draws = study.sizes["draw"]
    for outcome in texts(study["outcome"]):
        one = study.sel(outcome=outcome)
        common, n = {**place, "outcome": outcome}, int(one["rows"])
        for features in texts(study["features"]):
            for trainings in study["trainings"].to_numpy().tolist():
                cell = one.sel(features=features, trainings=trainings)
                row = {**common, "features": features, "width": int(cell["width"])}
                yield {**row, "trainings": trainings, "draws": draws, **_cell(cell, n)}
        alone = {name: floats(one[f"alone_{name}"]) for name in MEASURES}
        for at, proxy in enumerate(texts(study["proxy"])):
            row = {**common, "features": proxy, "width": 1, "trainings": 0, "draws": 0, "n": n}
            yield {**row, **{name: alone[name][at] for name in MEASURES}, "note": ""}


def _cell(cell: xr.Dataset, known: int) -> dict[str, Any]:
    trainings = int(cell["trainings"])
    row: dict[str, Any] = {"n": max(known - trainings, 0)}
    for name in MEASURES:
        spread = over_draws(floats(cell[name]))
        row |= {name + end: value for end, value in zip(_SPREADS, spread, strict=True)}
    values = floats(cell["seconds"])
    was_made = not np.isnan(values).all()
    undefined = int(np.isnan(floats(cell["kendall"])).sum())
    note = f"{count_of(undefined, 'draw')} without a rank correlation" if undefined else ""
    if not was_made:
        note = f"not made: {known} architectures are too few to judge by after {trainings}"
    return row | {"seconds": float(values.mean()) if was_made else np.nan, "note": note}


def study_note(study: xr.Dataset) -> str:
    """Say what forests learned from, with what, and which scores were no numbers."""
    told = study.attrs
    return " ".join(
        sentence
        for sentence in (
            f"scores of {told['space']} on {told['dataset']}, setting {told['setting']}.",
            f"{count_of(study.sizes['draw'], 'draw')}, root seed {told['seed']}.",
            _source(str(told["outcome_source"]), stand_in=bool(told["outcome_stand_in"])),
            _source(str(told["image_source"]), stand_in=bool(told["stand_in"]), what="Images"),
            f"Without GRAF: {told['missing']}." if told["missing"] else "",
            f"Scores that are −∞ or failed count as the worst finite one ({told['filled']})."
            if told["filled"]
            else "",
            f"Without a finite score, and left out: {told['without_score']}."
            if told["without_score"]
            else "",
        )
        if sentence
    )


def _source(note: str, *, stand_in: bool, what: str = "Outcomes") -> str:
    mark = "stand-in, " if stand_in and "stand-in" not in note else ""
    return f"{what}: {mark}{note.rstrip('.')}." if note else ""


def curve(rows: pd.DataFrame, features: str) -> pd.DataFrame:
    """Return the rows of a set of features with a mean, by the number of trainings."""
    own = rows[(rows["features"] == features) & (rows["trainings"] > 0)]
    ordered: pd.DataFrame = own.dropna(subset="kendall").sort_values("trainings")
    return ordered


def alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the proxies alone that have a tau, the lowest first."""
    found = rows[rows["trainings"] == 0].dropna(subset="kendall")
    ordered: pd.DataFrame = found.sort_values("kendall", kind="stable")
    return ordered
