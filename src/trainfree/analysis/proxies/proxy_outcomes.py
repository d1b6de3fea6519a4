"""Every proxy against everything that is known of the trained networks.

Trained accuracy, and where the space has a hardware file: latency and energy on devices, and
accuracy after quantisation, with noisy weights and on analog hardware. Correlations are of the
score (higher is meant to be better) and the quantity as it is, so that with a cost a positive one
says: what scores high is slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, interval, plain
from trainfree.analysis.inputs import (
    Floats,
    Target,
    accuracy_of,
    floats,
    outcome_title,
    read_benchmark,
    targets,
    texts,
)
from trainfree.analysis.proxies.correlations import correlate
from trainfree.analysis.proxies.proxy_scores import read_proxy_scores
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

MEASURES = ("spearman", "kendall")
KINDS = {"deployed_accuracy": "deployment", "latency": "device", "energy": "device"}
"""Variables of a hardware file, and the dimension that tells their columns apart."""


class Outcome(NamedTuple):
    """One quantity by architecture, and what kind of quantity it is."""

    kind: str
    target: Target


@table(
    title="Proxies: rank correlation with accuracy and with measurements on hardware",
    columns=(
        *text("space", "dataset", "setting", "proxy", "computed_on", "kind", "outcome"),
        *numbers("n", "infinite"),
        *numbers(*(name + bound for name in MEASURES for bound in ("", "_low", "_high"))),
        *numbers("resamples"),
        *text("note"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Outcome": lambda row: outcome_name(row["kind"], row["outcome"]),
        "Proxy": plain("proxy"),
        "Own input, weights": plain("computed_on"),
        "n": count("n"),
        "Spearman ρ": interval("spearman"),
        "Kendall τ-b": interval("kendall"),
    },
    once=("Data set", "Setting"),
    reads=("scores", "benchmark", "hardware"),
    target="proxy_tables",
    settings=RESAMPLING,
    section="proxies",
    rank=3,
    minutes=60,
)
def proxy_outcomes(inputs: Inputs) -> Made:
    """Return each proxy's rank correlation with each quantity.

    Without a hardware file, accuracies alone. What is known on hardware counts for scores on the
    same image set. ``computed_on`` says which input and weights a proxy had where they are not the
    setting's.

    Raises
    ------
    DataFileError
        When a file is missing, damaged or does not fit the others.
    """
    benchmark, hardware = inputs.file("benchmark"), inputs.hardware
    trained = read_benchmark(benchmark)
    on_hardware = None if hardware is None else read_dataset(hardware, "hardware")
    rows: list[dict[str, object]] = []
    files = []
    for path in inputs.some("scores"):
        scored = read_proxy_scores(path)
        files.append(scored.data)
        dataset = scored.settings["dataset"]
        found = [Outcome("accuracy", each) for each in targets(trained, dataset, benchmark)]
        if on_hardware is not None and on_hardware.attrs["dataset"] == dataset:
            found += hardware_outcomes(on_hardware)
        for outcome in found:
            origin = benchmark if outcome.kind == "accuracy" else hardware or benchmark
            values = accuracy_of(outcome.target, scored.data, path, origin)
            for proxy in map(str, scored.scores):
                row = _row(scored.scores[proxy].to_numpy(), values, inputs.settings)
                named = {"proxy": proxy, "computed_on": scored.computed_on[proxy]}
                rows.append({**scored.settings, **named, **_named(outcome), **row})
    measured = [] if on_hardware is None else [on_hardware]
    return Made(rows, data_line([*files, trained, *measured]))


def hardware_outcomes(hardware: xr.Dataset) -> Iterator[Outcome]:
    """Yield each column of a hardware file that has any value."""
    index = pd.Index(texts(hardware["architecture"]), name="architecture")
    for kind, dimension in KINDS.items():
        for label in texts(hardware[dimension]):
            values = floats(hardware[kind].sel({dimension: label}))
            if not np.isnan(values).all():
                yield Outcome(kind, Target(label, pd.Series(values, index=index)))


def outcome_name(kind: str, outcome: str) -> str:
    """Return a readable name of what proxies are correlated with."""
    named = {
        "accuracy": f"accuracy, {outcome_title(outcome)}",
        "deployed_accuracy": f"accuracy, {outcome}",
    }
    return named.get(kind, f"{kind}, {outcome}")


def _named(outcome: Outcome) -> dict[str, str]:
    return {"kind": outcome.kind, "outcome": outcome.target.name}


def _row(score: Floats, values: Floats, settings: AnalysisSettings) -> dict[str, object]:
    known = ~np.isnan(score) & ~np.isnan(values)
    found = correlate(score[known], values[known], settings.bootstrap_resamples, settings.seed)
    bounds = [name + bound for name in MEASURES for bound in ("", "_low", "_high")]
    return {
        "n": int(known.sum()),
        "infinite": int(np.isinf(score[known]).sum()),
        **{name: found[name] for name in (*bounds, "resamples", "note")},
    }
