"""What a score owes to the draw: its spread over draws beside its spread over architectures.

A score is fit to rank architectures as far as draws of images and weights move it less than
architectures differ. Beside the two spreads stand Kendall's tau-b of the score with trained
accuracy, draw by draw, and of draws with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.formats import number, with_interval, with_spread
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.origins import MadeFrom, data_files
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.analysis.tables import without_constants, write_tables
from trainfree.files.storage import read_dataset

TITLE = (
    "Spread of scores over draws and over architectures; Kendall's τ-b of score and trained "
    "accuracy in each draw, mean [lowest, highest], and of pairs of draws, mean"
)
ALL = "all"
COLUMNS = (
    *("space", "dataset", "proxy", "arm", "batch_size", "architecture", "accuracy", "draws"),
    *("mean", "std", "std_between", "ratio", "tau", "tau_low", "tau_high", "tau_draws"),
    *("not_finite", "target", "rows", "note"),
)


def tabulate_ablation(scores: Sequence[Path], output_stem: Path) -> pd.DataFrame:
    """Write the table of the ablation and return it.

    A row an arm and, in the CSV file, one an architecture and arm.

    Parameters
    ----------
    scores
        Files of kind "ablation", one a data set.
    output_stem
        ``results/tables/ablation``; the suffixes are added.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    studies = [read_dataset(path, "ablation") for path in scores]
    rows = [row for study in studies for row in _rows_of(study)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    shown = _shown(frame[frame["architecture"] == ALL])
    told = " ".join(map(study_note, studies)).rstrip(".")
    made_from = MadeFrom(told, data_files(study.attrs for study in studies))
    write_tables(frame, *_told(shown), made_from, output_stem)
    return frame


def finite_scores(ablation: xr.Dataset, arm: str, proxy: str) -> Floats:
    """Return the scores of an arm, (draw, arch); NaN where there is no finite one."""
    chosen = ablation["score"].sel(arm=arm, proxy=proxy).transpose("draw", "arch")
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


def _rows_of(ablation: xr.Dataset) -> Iterator[dict[str, Any]]:
    accuracy, architectures = floats(ablation["accuracy"]), texts(ablation["architecture"])
    for proxy in texts(ablation["proxy"]):
        for arm, size in zip(
            texts(ablation["arm"]), ablation["size"].to_numpy().tolist(), strict=True
        ):
            score = finite_scores(ablation, arm, proxy)
            common = {
                **{key: ablation.attrs[key] for key in ("space", "dataset", "target")},
                **{"proxy": proxy, "arm": arm, "batch_size": size, "draws": len(score)},
                **{"rows": len(architectures), "note": study_note(ablation)},
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


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, list[str]] = {
        "data set": frame["dataset"].tolist(),
        "proxy": frame["proxy"].tolist(),
        "drawn": frame["arm"].tolist(),
        "batch": [number(value, 0) for value in frame["batch_size"]],
        "draws": [number(value, 0) for value in frame["draws"]],
        "architectures": [number(value, 0) for value in frame["rows"]],
        "mean score ± std over draws": [
            with_spread(mean, std) for mean, std in zip(frame["mean"], frame["std"], strict=True)
        ],
        "std over architectures": [number(value) for value in frame["std_between"]],
        "ratio": [number(value, 3) for value in frame["ratio"]],
        "τ with accuracy": [
            with_interval(*values, digits=2)
            for values in zip(frame["tau"], frame["tau_low"], frame["tau_high"], strict=True)
        ],
        "τ of two draws": [number(value, 2) for value in frame["tau_draws"]],
        "not finite": [number(value, 0) for value in frame["not_finite"]],
        "accuracy": [outcome_title(target) for target in frame["target"]],
    }
    return pd.DataFrame(columns)


def _told(shown: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Move what all rows say into the title."""
    constant = ("data set", "proxy", "draws", "architectures", "not finite", "accuracy")
    return without_constants(shown, constant, TITLE)
