"""What ranks architectures better for its seconds: shared weights, or scores without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, duration, interval, plain
from trainfree.analysis.inputs import Floats, floats, outcome_title, texts
from trainfree.analysis.papers.sharing import Trained, Trainings
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.studies.sharing_ranks import (
    AGREEMENT,
    FEWEST,
    agreement,
    mean_and_std,
    mean_ranking_seconds,
    shared_agreement,
    trainings_in,
)
from trainfree.analysis.tables import numbers, text

if TYPE_CHECKING:
    import xarray as xr

SHARED, PROXY = "shared weights", "proxy"
SAME = "those that shared weights ranked"

TITLE = (
    "Ranking architectures by shared weights (search and ranking, mean over runs) and by proxies "
    "(scoring of as many architectures): Kendall's τ-b and Spearman's ρ with trained accuracy, "
    "95 % bootstrap over architectures, and seconds"
)


@table(
    title=TITLE,
    columns=(
        *text("space", "dataset", "outcome", "ranker", "kind", "preset", "scale"),
        *numbers("runs", "search_seconds", "ranking_seconds", "seconds", *AGREEMENT),
        *text("architectures", "device"),
        *numbers("threads"),
        *text("note"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Accuracy": lambda row: outcome_title(str(row["outcome"])),
        "Ranked by": plain("ranker"),
        "What it is": plain("kind"),
        "Runs": count("runs"),
        "Search (s)": duration("search_seconds"),
        "Ranking (s)": duration("ranking_seconds"),
        "Together (s)": duration("seconds"),
        "Judged on": count("ranked"),
        "Architectures": plain("architectures"),
        "Kendall τ-b": interval("kendall"),
        "Spearman ρ": interval("spearman"),
        "Device": plain("device"),
        "Preset": plain("preset"),
        "Scale": plain("scale"),
        "Note": plain("note"),
    },
    once=("Data set", "Accuracy", "Device", "Architectures"),
    reads=("shared", "benchmark", "scores"),
    settings=RESAMPLING,
    target="weight_sharing",
    section="search",
    rank=31,
)
def weight_sharing_ranking(inputs: Inputs) -> Made:
    """Return a row for each method and setting, then for each proxy that the run has scored.

    Proxies are judged on the architectures that the shared weights ranked, as far as those were
    scored; where fewer than half were, on all that were scored. Without scores there are no such
    rows, and the caption says so.

    Raises
    ------
    DataFileError
        When there is no file of shared weights, or one is damaged or of another space.
    """
    found, run = trainings_in(inputs), inputs.run
    trained = Trained(run.benchmark)
    rows: list[dict[str, Any]] = []
    lacking = []
    for dataset in dict.fromkeys(str(each.attributes["dataset"]) for each in found):
        own = [each for each in found if str(each.attributes["dataset"]) == dataset]
        outcome = run.headline(dataset)
        rows += [_shared_row(each, trained, outcome, inputs.settings) for each in own]
        try:
            rows += _proxy_rows(run, own, outcome, inputs.settings)
        except AbsentError as absent:
            lacking.append(str(absent))
    files = [file for each in found for file in each.files]
    made_from = data_line([*run.score_files.values(), *files, run.benchmark])
    without = f"; no proxies: {', '.join(lacking)}" if lacking else ""
    return Made(rows, made_from, f"{TITLE}{without}")


def _shared_row(
    trainings: Trainings, trained: Trained, outcome: str, settings: AnalysisSettings
) -> dict[str, Any]:
    attributes = trainings.attributes
    searched, _ = mean_and_std(trainings.each("search_seconds"))
    ranking = mean_ranking_seconds(trainings)
    return {
        **_common(trainings, outcome),
        "ranker": trainings.title,
        "kind": SHARED,
        "runs": len(trainings.files),
        "search_seconds": searched,
        "ranking_seconds": ranking,
        "seconds": searched + ranking,
        **shared_agreement(trainings, trained, outcome, settings),
        "architectures": SAME,
        "device": attributes["device"],
        "threads": attributes["threads"],
        "note": _stand_in(trainings.stand_in),
    }


def _proxy_rows(
    run: RunFiles, beside: Sequence[Trainings], outcome: str, settings: AnalysisSettings
) -> Iterator[dict[str, Any]]:
    """Yield a row for each proxy that was scored on the images of the shared weights."""
    dataset, space = (str(beside[0].attributes[key]) for key in ("dataset", "space"))
    scored = run.scores(dataset)
    if scored.attrs["space"] != space:
        raise AbsentError(f"the scores are of {scored.attrs['space']}, not of {space}")
    trained = Trained(run.benchmark)
    ranked = next((each.ranked for each in beside if each.ranked), [])
    for proxy in texts(scored["proxy"]):
        score, accuracy, architectures = _judged(
            run, dataset, proxy, outcome, trained.names(ranked)
        )
        each = _seconds_each(scored, proxy)
        spent = each * (len(ranked) or len(score))
        yield {
            **_common(beside[0], outcome),
            "preset": "",
            "scale": "",
            "ranker": proxy,
            "kind": PROXY,
            "runs": 1,
            "search_seconds": 0.0,
            "ranking_seconds": spent,
            "seconds": spent,
            **agreement(score[np.newaxis], accuracy, settings),
            "architectures": architectures,
            "device": scored.attrs["device"],
            "threads": scored.attrs["threads"],
            "note": _stand_in(run.stand_in(dataset)),
        }


def _common(trainings: Trainings, outcome: str) -> dict[str, Any]:
    told = {key: trainings.attributes[key] for key in ("space", "dataset", "preset", "scale")}
    return {**told, "outcome": outcome}


def _judged(
    run: RunFiles, dataset: str, proxy: str, outcome: str, ranked: Sequence[str]
) -> tuple[Floats, Floats, str]:
    """Return scores and accuracies of the architectures that a proxy is judged on, and which."""
    score, accuracy = run.score(dataset, proxy), run.accuracy(outcome)
    same = score.reindex(list(ranked))
    if same.notna().sum() >= max(FEWEST, len(ranked) / 2):
        chosen, architectures = same, SAME
    else:
        chosen, architectures = score, "all that were scored"
    values = chosen.to_numpy(dtype=np.float64)
    return values, accuracy.reindex(chosen.index).to_numpy(dtype=np.float64), architectures


def _seconds_each(scored: xr.Dataset, proxy: str) -> float:
    """Return what the proxy alone costs, mean over the architectures scored; NaN if unknown."""
    if "proxy_seconds" not in scored:
        return np.nan
    return mean_and_std(floats(scored["proxy_seconds"].sel(proxy=proxy)))[0]


def _stand_in(note: str) -> str:
    return f"stand-in images: {note}" if note else ""
