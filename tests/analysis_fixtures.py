"""Builders of small scores, benchmark and search files for the tests of tables and report.

The files have the shape and attributes of real ones; the numbers are given by the caller or drawn
from a seeded generator, so that tests know what to expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.origins import MadeFrom, write_with_origin
from trainfree.analysis.registry import make_table
from trainfree.analysis.settings import AnalysisSettings
from trainfree.files.storage import provenance_attributes, write_dataset

PHASES = ("build", "forward", "kernel", "linear_algebra", "other", "total")
FLAGS = "ok singular overflow not_finite out_of_memory error"
OK, SINGULAR, OVERFLOW, NOT_FINITE, OUT_OF_MEMORY, ERROR = range(6)


def _attributes(**settings: str | int) -> dict[str, str | int]:
    return provenance_attributes(
        settings=settings, code="0123456789abcdef", source_hashes={"x": "ab" * 32}, seed=0
    )


def _variable(dims: Sequence[str], values: object, units: str = "1") -> xr.Variable:
    return xr.Variable(tuple(dims), values, {"units": units, "long_name": "of a test"})


def _names(count: int) -> np.ndarray:
    return np.array([f"|a{i}~0|" for i in range(count)], dtype=object)


def write_benchmark(
    path: Path,
    accuracy: Mapping[tuple[str, str, int, str], Sequence[float]],
    subsets: Mapping[str, Sequence[bool]] | None = None,
    **attributes: str | int,
) -> Path:
    """Write accuracies by (dataset, split, epochs, seed); all others are missing.

    ``subsets`` are parts of the space, by name: whether each architecture is in them.
    """
    count = len(next(iter(accuracy.values())))
    axes = [list(dict.fromkeys(key[i] for key in accuracy)) for i in range(4)]
    table = np.full((count, *(len(axis) for axis in axes)), np.nan)
    for key, values in accuracy.items():
        place = tuple(axis.index(part) for axis, part in zip(axes, key, strict=True))
        table[(slice(None), *place)] = values
    datasets, splits, epochs, seeds = axes
    dims = ("arch", "dataset", "split", "epochs", "seed")
    dataset = xr.Dataset(
        {
            "accuracy": _variable(dims, table, "percent"),
            "train_seconds": _variable(
                ("arch", "dataset", "epochs"),
                np.full((count, len(datasets), len(epochs)), np.nan),
                "s",
            ),
        },
        coords={
            "arch": np.arange(count),
            "architecture": ("arch", _names(count)),
            "dataset": np.array(datasets, dtype=object),
            "split": np.array(splits, dtype=object),
            "epochs": np.array(epochs),
            "seed": np.array(seeds, dtype=object),
        },
        attrs={
            **_attributes(what="benchmark"),
            "source": "generated",
            "source_note": "made up for a test",
            **attributes,
        },
    )
    if subsets is not None:
        members = np.stack([np.asarray(chosen) for chosen in subsets.values()], axis=1)
        dataset["in_subset"] = _variable(("arch", "subset"), members)
        dataset = dataset.assign_coords(subset=np.array(list(subsets), dtype=object))
    write_dataset(dataset, path, "benchmark")
    return path


def write_scores(
    path: Path,
    score: Mapping[str, Sequence[float]],
    status: Mapping[str, Sequence[int]] | None = None,
    seconds: Sequence[float] | None = None,
    with_proxy_seconds: bool = True,
    **attributes: str | int,
) -> Path:
    """Write scores by proxy; statuses default to ok, and singular where a score is -inf."""
    proxies = list(score)
    values = np.array([score[name] for name in proxies], dtype=float).T
    codes = np.where(np.isneginf(values), SINGULAR, OK).astype(np.int8)
    for name, given in (status or {}).items():
        codes[:, proxies.index(name)] = given
    count = len(values)
    total = np.full(count, 0.02) if seconds is None else np.asarray(seconds, dtype=float)
    phases = np.outer(total, [0.1, 0.5, 0.2, 0.1, 0.1, 1.0])
    variables = {
        "score": _variable(("arch", "proxy"), values),
        "status": _variable(("arch", "proxy"), codes),
        "message": _variable(("arch",), np.array([""] * count, dtype=object)),
        "seconds": _variable(("arch", "phase"), phases, "s"),
        "relu_units": _variable(("arch",), np.arange(count)),
        "params": _variable(("arch",), np.arange(count)),
        "flops": _variable(("arch",), np.arange(count)),
    }
    variables["status"].attrs |= {
        "flag_values": np.arange(6, dtype=np.int8),
        "flag_meanings": FLAGS,
    }
    if with_proxy_seconds:
        alone = np.outer(total, np.linspace(0.5, 0.9, len(proxies)))
        variables["proxy_seconds"] = _variable(("arch", "proxy"), alone, "s")
    dataset = xr.Dataset(
        variables,
        coords={
            "arch": np.arange(count),
            "architecture": ("arch", _names(count)),
            "proxy": np.array(proxies, dtype=object),
            "phase": np.array(PHASES, dtype=object),
        },
        attrs={
            **_attributes(what="scores"),
            "space": "nasbench201",
            "dataset": "cifar10",
            "setting": "b32-pytorch-images-s0",
            "batch_size": 32,
            "initialization": "pytorch",
            "input": "images",
            "image_count": 10000,
            "image_source": "CIFAR-10, a subset: 10,000 of the 50,000 training images",
            "stand_in": 0,
            **attributes,
        },
    )
    write_dataset(dataset, path, "scores")
    return path


def write_search(
    path: Path,
    fitness: np.ndarray,
    accuracy: np.ndarray,
    budgets: Sequence[int],
    algorithm: str = "random",
    signal: str = "naswot",
    outcomes: Sequence[str] = ("cifar10/test/200",),
    trace: np.ndarray | None = None,
    **attributes: str | int,
) -> Path:
    """Write a search file from traces (run, step); every outcome has the headline's values.

    ``trace`` holds the architectures looked at, step by step by default.

    Later outcomes are shifted by one point each, so that they can be told apart.
    """
    runs, steps = fitness.shape
    ranked = np.where(np.isnan(fitness), -np.inf, fitness)
    answer = np.stack([ranked[:, :n].argmax(axis=1) for n in budgets], axis=1)
    answered = np.take_along_axis(accuracy, answer, axis=1)
    shifted = np.stack([answered - place for place in range(len(outcomes))], axis=2)
    clock = np.tile(np.arange(1, steps + 1) * 0.02, (runs, 1))
    untrained = signal != "accuracy"
    dims, answer_dims = ("run", "step"), ("run", "budget")
    spent = clock[:, [min(int(n), steps) - 1 for n in budgets]]
    arch = np.tile(np.arange(steps, dtype=np.int32), (runs, 1)) if trace is None else trace
    regret = accuracy.max() - answered
    dataset = xr.Dataset(
        {
            "trace_arch": _variable(dims, arch),
            "trace_fitness": _variable(dims, fitness),
            "trace_accuracy": _variable(dims, accuracy, "percent"),
            "scoring_seconds": _variable(dims, clock if untrained else 0 * clock, "s"),
            "training_seconds": _variable(dims, 0 * clock if untrained else np.nan * clock, "s"),
            "answer": _variable(answer_dims, np.take_along_axis(arch, answer, axis=1)),
            "answer_accuracy": _variable((*answer_dims, "outcome"), shifted, "percent"),
            "answer_scoring_seconds": _variable(
                answer_dims, spent if untrained else 0 * spent, "s"
            ),
            "answer_training_seconds": _variable(
                answer_dims, 0 * spent if untrained else np.nan * spent, "s"
            ),
            "answer_rank": _variable(answer_dims, 1.0 + regret),
            "answer_regret": _variable(answer_dims, regret, "percent"),
        },
        coords={
            "run": np.arange(runs),
            "step": np.arange(steps),
            "budget": np.array(budgets, dtype=np.float64),
            "outcome": np.array(outcomes, dtype=object),
        },
        attrs={
            **_attributes(what="search"),
            "space": "nasbench201",
            "dataset": "cifar10",
            "algorithm": algorithm,
            "signal": signal,
            "signal_note": f"Guided by {signal}.",
            "search": path.stem,
            "preset": "",
            "proxy": "",
            "budget_kind": "evaluations",
            "headline_outcome": outcomes[0],
            "runs": runs,
            **attributes,
        },
    )
    write_dataset(dataset, path, "search")
    return path


def write_scoreboard(folder: Path) -> Path:
    """Write a scoreboard of two tables, the second without a compared cell."""
    path = folder / "scoreboard.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (
        "table,reproduced,not_reproduced,not_comparable,in_another_setting,equal_within_noise,"
        "swaps,swaps_passed\na_1,3,1,2,0,2,6,1\nb_2,0,0,7,0,0,0,0\n"
    )
    write_with_origin(path.with_suffix(""), {"csv": text.encode()}, MadeFrom())
    return path


def tabulate(
    name: str,
    folder: Path,
    *,
    resamples: int = 50,
    seed: int = 0,
    settings: AnalysisSettings | None = None,
    **files: Path | Sequence[Path] | None,
) -> pd.DataFrame:
    """Make a table from files by their kinds, and return its rows."""
    given: dict[str, Any] = {}
    for kind, paths in files.items():
        several = isinstance(getattr(Inputs(), kind), tuple)
        if paths is not None:
            given[kind] = tuple([paths] if isinstance(paths, Path) else paths) if several else paths
    settings = settings or AnalysisSettings(seed=seed, bootstrap_resamples=resamples)
    return make_table(name, Inputs(**given, settings=settings), folder)


def tabulate_run(made: Mapping[str, Any], tables: Path, published: Path | None) -> None:
    """Make the general tables of a small study beside a scoreboard, see :func:`write_study`."""
    for name in ("correlations", "search", "timing"):
        tabulate(name, tables, published=published, **made)
    tabulate("proxy_board", tables, board=made["scores"], benchmark=made["benchmark"])
    write_scoreboard(tables)
    names = ("correlations", "search", "timing", "scoreboard")
    before = [tables / f"{name}.csv" for name in names]
    files = {"scores": made["scores"], "benchmark": made["benchmark"]}
    tabulate("summary", tables, tables=before, **files)


def write_study(folder: Path, count: int = 60, seed: int = 1) -> dict[str, Path | list[Path]]:
    """Write a whole small study: scores with failures, a benchmark and five searches."""
    rng = np.random.default_rng(seed)
    accuracy = 94 - 40 * rng.beta(1.2, 6, count)
    naswot = accuracy + rng.normal(0, 3, count)
    naswot[:5] = -np.inf
    accuracy[:5] = 10.0
    synflow = accuracy + rng.normal(0, 6, count)
    synflow[7] = np.nan
    synflow_status = np.zeros(count, dtype=int)
    synflow_status[7] = ERROR
    benchmark = write_benchmark(
        folder / "nasbench201.h5",
        {
            ("cifar10", "test", 200, "mean"): accuracy,
            ("cifar10-valid", "valid", 12, "mean"): accuracy - 5 + rng.normal(0, 1, count),
        },
    )
    scores = write_scores(
        folder / "b32-pytorch-images-s0.h5",
        {"naswot": naswot, "synflow": synflow, "params": np.round(accuracy)},
        {"synflow": synflow_status},
        seconds=rng.gamma(4, 0.005, count),
    )
    searches = []
    signals = {"naswot": naswot, "synflow": synflow, "accuracy": accuracy}
    cells = [("random", signal) for signal in signals] + [("rea", "naswot"), ("rea", "accuracy")]
    for place, (algorithm, signal) in enumerate(cells):
        drawn = np.random.default_rng(place).integers(count, size=(8, 100))
        name = algorithm if signal == "accuracy" else f"{algorithm}-{signal}"
        searches.append(
            write_search(
                folder / f"{name}.h5",
                signals[signal][drawn],
                accuracy[drawn],
                (10, 100),
                algorithm,
                signal,
            )
        )
    return {"scores": [scores], "benchmark": benchmark, "searches": searches}
