"""What a score owes to the draw: its spread over draws beside its spread over architectures.

A score is fit to rank architectures as far as draws of images and weights move it less than
architectures differ. Beside the two spreads stand Kendall's tau-b of the score with trained
accuracy, draw by draw, and of draws with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, interval, plain, shown_as, spread
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.origins import MadeFrom, data_files
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.analysis.tables import numbers, text
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

ALL = "all"
_SHOWN = shown_as(
    {
        "data set": plain("dataset"),
        "proxy": plain("proxy"),
        "drawn": plain("arm"),
        "batch": count("batch_size"),
        "draws": count("draws"),
        "architectures": count("rows"),
        "mean score ± std over draws": spread("mean", "std"),
        "std over architectures": decimal("std_between"),
        "ratio": decimal("ratio", 3),
        "τ with accuracy": interval("tau", 2),
        "τ of two draws": decimal("tau_draws"),
        "not finite": count("not_finite"),
        "accuracy": lambda row: outcome_title(row["target"]),
    }
)


def _arms(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers, without the rows of single architectures."""
    return _SHOWN(frame[frame["architecture"] == ALL])


@table(
    title="Spread of scores over draws and over architectures; Kendall's τ-b of score and trained "
    "accuracy per draw, mean [lowest, highest], and mean τ-b between pairs of draws",
    columns=(
        *text("space", "dataset", "proxy", "arm"),
        *numbers("batch_size"),
        *text("architecture"),
        *numbers("accuracy", "draws", "mean", "std", "std_between", "ratio"),
        *numbers("tau", "tau_low", "tau_high", "tau_draws", "not_finite"),
        *text("target"),
        *numbers("rows"),
        *text("note"),
    ),
    shown=_arms,
    once=("data set", "proxy", "draws", "architectures", "not finite", "accuracy"),
    reads=("ablation",),
    target="ablation",
    section="steadiness",
    rank=1,
    memory_mb=1000,
)
def ablation(inputs: Inputs) -> Made:
    """Return a row for each arm and one for each architecture and arm.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    studies = [read_dataset(path, "ablation") for path in inputs.ablation]
    rows = [row for study in studies for row in _rows_of(study)]
    told = " ".join(map(study_note, studies)).rstrip(".")
    return Made(rows, MadeFrom(told, data_files(study.attrs for study in studies)))


def finite_scores(study: xr.Dataset, arm: str, proxy: str) -> Floats:
    """Return the scores of an arm, (draw, arch); NaN where there is no finite one."""
    chosen = study["score"].sel(arm=arm, proxy=proxy).transpose("draw", "arch")
    score = floats(chosen)
    score[~np.isfinite(score)] = np.nan
    return score


def spreads(score: Floats) -> tuple[float, float]:
    """Return the standard deviations over draws and over architectures.

    Parameters
    ----------
    score
        (draw, arch), NaN where there is none.

    Returns
    -------
    tuple of float
        Root mean square over architectures of the deviation over draws, and the deviation over
        architectures of the mean over draws; NaN where there are fewer than two to compare.
    """
    frame = pd.DataFrame(score)
    within = float(np.sqrt(frame.var(axis=0, ddof=1).mean()))
    return within, float(frame.mean(axis=0).std(ddof=1))


def kendall(first: Floats, second: Floats) -> float:
    """Return tau-b of the pairs that are both known; NaN where it is not defined."""
    known = ~(np.isnan(first) | np.isnan(second))
    return PairedRanks(first[known], second[known]).statistics().kendall


def _rows_of(study: xr.Dataset) -> Iterator[dict[str, Any]]:
    accuracy, architectures = floats(study["accuracy"]), texts(study["architecture"])
    for proxy in texts(study["proxy"]):
        for arm, size in zip(texts(study["arm"]), study["size"].to_numpy().tolist(), strict=True):
            score = finite_scores(study, arm, proxy)
            common = {
                **{key: study.attrs[key] for key in ("space", "dataset", "target")},
                **{"proxy": proxy, "arm": arm, "batch_size": size, "draws": len(score)},
                **{"rows": len(architectures), "note": study_note(study)},
            }
            yield {**common, "architecture": ALL, **_summary(score, accuracy)}
            for column, name in enumerate(architectures):
                own = pd.Series(score[:, column])
                yield {
                    **common,
                    "architecture": name,
                    "accuracy": accuracy[column],
                    "mean": own.mean(),
                    "std": own.std(ddof=1),
                    "not_finite": int(own.isna().sum()),
                }


def study_note(study: xr.Dataset) -> str:
    """Say which architectures, images and seed a study was measured with."""
    attributes, count = study.attrs, study.sizes["arch"]
    images = str(attributes["image_source"]).rstrip(".")
    accuracies = str(attributes["accuracy_source"]).rstrip(".")
    return " ".join(
        [
            f"{count} architectures of {attributes['space']}: {attributes['chosen']}.",
            f"Root seed {attributes['seed']}, initialisation {attributes['initialization']}.",
            f"Images: {_stand_in(attributes['stand_in'])}{images}.",
            f"Accuracies: {_stand_in(attributes['accuracy_stand_in'])}{accuracies}.",
        ]
    )


def _stand_in(flag: object) -> str:
    return "stand-in, " if flag else ""


def _summary(score: Floats, accuracy: Floats) -> dict[str, Any]:
    within, between = spreads(score)
    taus = np.array([kendall(draw, accuracy) for draw in score])
    defined = taus[~np.isnan(taus)]
    pairs = [kendall(one, other) for one, other in combinations(score, 2)]
    agreed = [tau for tau in pairs if not np.isnan(tau)]
    return {
        "mean": float(pd.DataFrame(score).mean(axis=0).mean()),
        "std": within,
        "std_between": between,
        "ratio": within / between if between else np.nan,
        "tau": defined.mean() if defined.size else np.nan,
        "tau_low": defined.min(initial=np.inf) if defined.size else np.nan,
        "tau_high": defined.max(initial=-np.inf) if defined.size else np.nan,
        "tau_draws": float(np.mean(agreed)) if agreed else np.nan,
        "not_finite": int(np.isnan(score).sum()),
    }
