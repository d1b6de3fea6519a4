"""Every proxy against everything that is known of the trained networks.

Trained accuracy, and where the space has a hardware file: latency and energy on devices, and
accuracy after quantisation, with noisy weights and on analog hardware. Correlations are of the
score (higher is meant to be better) and the quantity as it is, so that with a cost a positive one
says: what scores high is slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.data_line import data_line
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
from trainfree.analysis.tables import number, with_interval, without_constants, write_tables
from trainfree.files.storage import read_dataset

TITLE = "Proxies: rank correlation with accuracy and with what networks do on hardware"
MEASURES = ("spearman", "kendall")
COLUMNS = (
    *("space", "dataset", "setting", "proxy", "kind", "outcome", "n", "infinite"),
    *(name + bound for name in MEASURES for bound in ("", "_low", "_high")),
    *("resamples", "note"),
)
KINDS = {"deployed_accuracy": "deployment", "latency": "device", "energy": "device"}
"""Variables of a hardware file, and the dimension that tells their columns apart."""


class Outcome(NamedTuple):
    """One quantity by architecture, and what kind of quantity it is."""

    kind: str
    target: Target


def tabulate_outcomes(
    scores: Sequence[Path],
    benchmark: Path,
    hardware: Path | None,
    output_stem: Path,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Write the table of proxies and outcomes and return it.

    Parameters
    ----------
    scores
        Merged scores files of one space.
    benchmark, hardware
        Benchmark and hardware file of the space; without the second, accuracies alone. What is
        known on hardware counts for scores on the same image set.
    output_stem
        Path without suffix.
    resamples, seed
        Bootstrap resamples behind each 95 % interval, and the root seed they are drawn with.

    Raises
    ------
    DataFileError
        When a file is missing, damaged or does not fit the others.
    """
    trained = read_benchmark(benchmark)
    on_hardware = None if hardware is None else read_dataset(hardware, "hardware")
    rows: list[dict[str, object]] = []
    files = []
    for path in scores:
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
                row = _row(scored.scores[proxy].to_numpy(), values, resamples, seed)
                rows.append({**scored.settings, "proxy": proxy, **_named(outcome), **row})
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    made_from = data_line([*files, trained, *([] if on_hardware is None else [on_hardware])])
    write_tables(frame, *_shown(frame), made_from, output_stem)
    return frame


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


def _row(score: Floats, values: Floats, resamples: int, seed: int) -> dict[str, object]:
    known = ~np.isnan(score) & ~np.isnan(values)
    found = correlate(score[known], values[known], resamples, seed)
    return {
        "n": int(known.sum()),
        "infinite": int(np.isinf(score[known]).sum()),
        **{name: found[name] for name in COLUMNS if name in found},
    }


def _shown(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    named = zip(frame["kind"], frame["outcome"], strict=True)
    shown = pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Setting": frame["setting"],
            "Outcome": [outcome_name(*names) for names in named],
            "Proxy": frame["proxy"],
            "n": [number(value, 0) for value in frame["n"]],
        }
    )
    for name, title in zip(MEASURES, ("Spearman ρ", "Kendall τ-b"), strict=True):
        cells = zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
        shown[title] = [with_interval(*cell) for cell in cells]
    return without_constants(shown, ("Data set", "Setting"), TITLE)
