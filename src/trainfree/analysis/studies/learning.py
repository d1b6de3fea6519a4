"""What forests learn from a few trainings, for each quantity that is known of the networks.

Three sets of features: GRAF alone, the scores of all proxies of the run, and both. Beside them
stands each proxy alone, on the same architectures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.inputs import (
    Floats,
    Target,
    accuracy_of,
    floats,
    read_benchmark,
    read_scores,
    score_settings,
    targets,
    texts,
)
from trainfree.analysis.origins import DataFile
from trainfree.analysis.proxies.proxy_outcomes import hardware_outcomes
from trainfree.analysis.proxies.proxy_scores import usable_scores
from trainfree.analysis.settings import BOTH, FEATURE_SETS, GRAF, PROXIES, LearnedSettings
from trainfree.analysis.statistics.forests import as_features, learned
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.errors import DataFileError
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.progress import track
from trainfree.provenance import code_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_OTHERS = 10
"""A rank correlation over fewer architectures says nothing."""
_MEASURES = ("kendall", "spearman")


class _Files(NamedTuple):
    scores: xr.Dataset
    benchmark: xr.Dataset
    features: xr.Dataset
    hardware: xr.Dataset | None


def learn_outcomes(
    settings: LearnedSettings,
    scores: Path,
    benchmark: Path,
    features: Path,
    output: Path,
    hardware: Path | None = None,
) -> xr.Dataset:
    """Train forests on draws of trained architectures, write what came of it and return that.

    Parameters
    ----------
    settings
        What is predicted, and how often forests are trained on how many trainings.
    scores, benchmark, features
        Files of the run: scores of proxies, trained accuracies, GRAF of the scored architectures.
    output
        The file of kind "learned" to write. Where nothing of the kind is known of the networks on
        the image set, it has no outcome.
    hardware
        The space's hardware file, for what is not accuracy.

    Raises
    ------
    DataFileError
        When a file is missing, damaged or does not fit the others, or when the space has no such
        subset.
    """
    files = _Files(
        read_scores(scores),
        read_benchmark(benchmark),
        read_dataset(features, "features"),
        None if hardware is None else read_dataset(hardware, "hardware"),
    )
    if texts(files.features["architecture"]) != texts(files.scores["architecture"]):
        raise DataFileError(
            f"{features}: its architectures are not those of {scores}; make it again"
        )
    alone = as_features(usable_scores(files.scores))
    sets = _feature_sets(floats(files.features["feature"]), alone)
    if not sets:
        raise DataFileError(
            f"{scores}: nothing to learn from: no proxy has a finite score, and "
            f"{files.features.attrs['missing']}"
        )
    chosen = _members(settings.subset, files.features, features)
    place = score_settings(files.scores, scores)
    outcomes = list(_outcomes(settings, files, place["dataset"], benchmark))
    values = [accuracy_of(each, files.scores, scores, hardware or benchmark) for each in outcomes]
    found = [_of_outcome(settings, sets, alone, value, chosen) for value in values]
    described = {**place, **_notes(settings, files, alone)}
    dataset = _dataset(settings, sets, alone, [each.name for each in outcomes], found)
    dataset = dataset.assign_attrs(**_provenance(settings, files), **described)
    write_dataset(dataset, output, "learned")
    return dataset


def _feature_sets(graf: Floats, proxies: pd.DataFrame) -> dict[str, Floats]:
    """Return the features of all architectures, of the sets that there are."""
    scored = proxies.to_numpy(dtype=np.float64)
    every = {GRAF: graf, PROXIES: scored, BOTH: np.hstack([graf, scored])}
    there = {GRAF: bool(graf.size), PROXIES: bool(scored.size)}
    there[BOTH] = all(there.values())
    return {name: every[name] for name in FEATURE_SETS if there[name]}


def _members(subset: str, features: xr.Dataset, origin: Path) -> NDArray[np.bool_]:
    """Return (arch,) which scored architectures are looked at."""
    if not subset:
        return np.ones(features.sizes["arch"], dtype=np.bool_)
    known = texts(features["subset"])
    if subset not in known:
        raise DataFileError(
            f"{origin}: {features.attrs['space']} has no part {subset!r} (learned.subset), it has "
            f"{', '.join(known) or 'none'}; choose one of them, or leave it out for all"
        )
    return features["in_subset"].sel(subset=subset).to_numpy().astype(np.bool_)


def _outcomes(
    settings: LearnedSettings, files: _Files, dataset: str, benchmark: Path
) -> Iterator[Target]:
    """Yield what is predicted: the headline accuracy alone, or what is known on hardware."""
    if settings.kind == "accuracy":
        yield targets(files.benchmark, dataset, benchmark)[0]
    elif files.hardware is not None and files.hardware.attrs["dataset"] == dataset:
        for outcome in hardware_outcomes(files.hardware):
            if outcome.kind == settings.kind:
                yield outcome.target


class _Found(NamedTuple):
    """What came of one quantity: arrays (set, trainings, draw) and (proxy,) by measure."""

    rows: int
    learned: Mapping[str, Floats]
    alone: Mapping[str, Floats]


def _of_outcome(
    settings: LearnedSettings,
    sets: Mapping[str, Floats],
    proxies: pd.DataFrame,
    values: Floats,
    chosen: NDArray[np.bool_],
) -> _Found:
    rows = np.flatnonzero(chosen & np.isfinite(values))
    truth = values[rows]
    shape = (len(sets), len(settings.trainings), settings.draws)
    found = {name: np.full(shape, np.nan) for name in (*_MEASURES, "ndcg", "seconds")}
    percent = settings.kind in ("accuracy", "deployed_accuracy")
    for draw in track(range(settings.draws), "draws of trainings"):
        for column, trainings in enumerate(settings.trainings):
            if len(rows) - trainings < FEWEST_OTHERS:
                continue
            for line, features in enumerate(sets.values()):
                one = learned(
                    features[rows],
                    truth,
                    trainings,
                    trees=settings.trees,
                    seed=settings.seed,
                    draw=draw,
                    percent=percent,
                )
                for name, value in one._asdict().items():
                    found[name][line, column, draw] = value
    ranked = [PairedRanks(proxies[name].to_numpy()[rows], truth) for name in proxies]
    each = np.array([pairs.chosen(_MEASURES) for pairs in ranked]).reshape(len(ranked), 2)
    return _Found(len(rows), found, dict(zip(_MEASURES, each.T, strict=True)))


def _dataset(
    settings: LearnedSettings,
    sets: Mapping[str, Floats],
    proxies: pd.DataFrame,
    outcomes: list[str],
    found: list[_Found],
) -> xr.Dataset:
    names = {
        "kendall": "Kendall's tau-b of prediction and truth, of architectures not trained on",
        "spearman": "Spearman's rho of the same",
        "ndcg": "nDCG@1000 of the same, of accuracies",
        "seconds": "processor time of fitting and predicting",
    }
    grid = (len(outcomes), len(sets), len(settings.trainings), settings.draws)
    variables: dict[str, xr.Variable] = {}
    for name, text in names.items():
        values = np.array([each.learned[name] for each in found]).reshape(grid)
        units = "s" if name == "seconds" else "1"
        dims = ("outcome", "features", "trainings", "draw")
        variables[name] = xr.Variable(dims, values, {"units": units, "long_name": text})
    for name in _MEASURES:
        values = np.array([each.alone[name] for each in found])
        told = {"units": "1", "long_name": f"{name} of the proxy alone, of all architectures"}
        shape = (len(outcomes), proxies.shape[1])
        variables[f"alone_{name}"] = xr.Variable(("outcome", "proxy"), values.reshape(shape), told)
    counts = np.array([each.rows for each in found], dtype=np.int64)
    told = {"units": "1", "long_name": "architectures of which the outcome is known"}
    variables["rows"] = xr.Variable(("outcome",), counts, told)
    widths = np.array([values.shape[1] for values in sets.values()], dtype=np.int64)
    told = {"units": "1", "long_name": "number of features"}
    variables["width"] = xr.Variable(("features",), widths, told)
    return xr.Dataset(
        variables,
        coords={
            "outcome": np.array(outcomes, dtype=object),
            "features": np.array(list(sets), dtype=object),
            "trainings": np.array(settings.trainings, dtype=np.int64),
            "draw": np.arange(settings.draws),
            "proxy": np.array(list(proxies.columns), dtype=object),
        },
    )


def _provenance(settings: LearnedSettings, files: _Files) -> dict[str, str | int]:
    """Return the attributes that every file has; the images are those of the scores."""
    hashes = {
        name: str(file.attrs["config_hash"])
        for name, file in files._asdict().items()
        if file is not None
    }
    images = DataFile.of(files.scores.attrs).sources.get("images")
    return provenance_attributes(
        settings={**asdict(settings), **hashes},
        code=code_hash(__name__),
        source_hashes=hashes | ({"images": images} if images else {}),
        seed=settings.seed,
    )


def _notes(settings: LearnedSettings, files: _Files, proxies: pd.DataFrame) -> dict[str, str | int]:
    attributes, source = files.scores.attrs, files.benchmark.attrs
    if settings.kind != "accuracy" and files.hardware is not None:
        source = files.hardware.attrs
    scores = usable_scores(files.scores)
    infinite = [str(name) for name in scores if not np.isfinite(scores[name]).all()]
    lacking = [proxy for proxy in texts(files.scores["proxy"]) if proxy not in proxies]
    return {
        "kind": settings.kind,
        "subset": settings.subset,
        "missing": str(files.features.attrs["missing"]),
        "filled": ", ".join(name for name in infinite if name in proxies),
        "without_score": ", ".join(lacking),
        "image_source": str(attributes.get("image_source", "")),
        "stand_in": int(attributes.get("stand_in", 0)),
        "accuracy_source": str(files.benchmark.attrs.get("source_note", "not recorded")),
        "outcome_source": str(source.get("source_note", "not recorded")),
        "outcome_stand_in": int(source.get("stand_in", 0)),
    }
