"""The search job: all runs of one algorithm guided by one signal, read out at every budget.

Runs look their fitness up, nothing is scored or trained here. The two clocks are kept apart in
the file: scoring seconds were measured, training seconds are simulated from the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.errors import ConfigError
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.search import ACCURACY, load_algorithm
from trainfree.search.protocol import SearchAlgorithm, Space, make_settings
from trainfree.search.signals import Signals, load_signals
from trainfree.spaces import load_space
from trainfree.storage import provenance_attributes, write_dataset

IndexArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]

COMPRESSION = {"zlib": True, "complevel": 1, "shuffle": True}


@dataclass(frozen=True)
class SearchJob:
    """One search file.

    Attributes
    ----------
    space, dataset
        Names of the search space and of the image data set.
    algorithm
        One of ``trainfree.search.ALGORITHM_NAMES``.
    signal
        ``"accuracy"`` or the name of a proxy in the scores file.
    scores
        The merged scores file; None for ``"accuracy"``.
    benchmark, output
        The table of trained accuracies, and the file to write.
    runs
        Number of independent runs.
    budgets
        Numbers N of evaluations after which a run is read out, ascending.
    seed
        The root seed.
    settings
        Settings of the algorithm; those left out have their defaults.
    """

    space: str
    dataset: str
    algorithm: str
    signal: str
    scores: Path | None
    benchmark: Path
    output: Path
    runs: int
    budgets: tuple[int, ...]
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)


class Trace(NamedTuple):
    """What the runs looked at: arrays over (run, step)."""

    arch: IndexArray
    fitness: FloatArray
    accuracy: FloatArray
    scoring_seconds: FloatArray
    training_seconds: FloatArray


def run_search(job: SearchJob) -> None:
    """Do all runs of a job and write its search file.

    Raises
    ------
    ConfigError
        When a budget is larger than the space, budgets or runs make no sense, or a setting is
        unknown.
    UnknownNameError
        For an unknown space, data set, algorithm or proxy.
    DataFileError
        When an input is unusable or the output cannot be written.
    """
    space, algorithm = load_space(job.space), load_algorithm(job.algorithm)
    _check_numbers(job, space)
    settings, values = make_settings(job.algorithm, algorithm, job.settings)
    signals = load_signals(space, job.dataset, job.signal, job.scores, job.benchmark)
    arch = _search_all_runs(job, space, algorithm, settings, signals.fitness)
    trace = Trace(
        arch=arch,
        fitness=signals.fitness[arch],
        accuracy=signals.outcomes[arch, signals.headline],
        scoring_seconds=np.cumsum(signals.scoring_seconds[arch], axis=1),
        training_seconds=np.cumsum(signals.training_seconds[arch], axis=1),
    )
    answer = answers(arch, signals.fitness, job.budgets)
    dataset = _search_dataset(job, trace, answer, signals)
    dataset.attrs = _attributes(job, signals, values)
    write_dataset(dataset, job.output, "search")


def run_once(algorithm: SearchAlgorithm, fitness: Sequence[float], steps: int) -> list[int]:
    """Return the architectures that a fresh algorithm asks for in its first ``steps`` steps."""
    ask, tell = algorithm.ask, algorithm.tell
    asked = []
    for _ in range(steps):
        index = ask()
        tell(index, fitness[index])
        asked.append(index)
    return asked


def answers(arch: IndexArray, fitness: FloatArray, budgets: Sequence[int]) -> IndexArray:
    """Return (run, budget) the best architecture among the first N of each run.

    The first one wins among equals. NaN (failed) is below -inf, so a failed architecture is an
    answer only where nothing else was seen.
    """
    rank = _rank(fitness)[arch]
    places = np.stack([rank[:, :budget].argmax(axis=1) for budget in budgets], axis=1)
    return np.take_along_axis(arch, places, axis=1)


def _rank(fitness: FloatArray) -> NDArray[np.int64]:
    """Return (arch,) integers in the order of the fitness, 0 for NaN."""
    rank = np.zeros(len(fitness), dtype=np.int64)
    known = ~np.isnan(fitness)
    rank[known] = 1 + np.unique(fitness[known], return_inverse=True)[1]
    return rank


def _check_numbers(job: SearchJob, space: Space) -> None:
    if job.runs < 1:
        raise ConfigError(f"search.runs: expected at least 1, found {job.runs}")
    budgets = job.budgets
    if not budgets or budgets[0] < 1 or any(np.diff(budgets) <= 0):
        raise ConfigError(
            "search.budgets: expected ascending numbers of at least 1, each once, "
            f"found {list(budgets)}"
        )
    if budgets[-1] > len(space):
        raise ConfigError(
            f"search.budgets: N = {budgets[-1]} is larger than the space {space.name} with its "
            f"{len(space)} architectures; choose N <= {len(space)}"
        )


def _search_all_runs(
    job: SearchJob,
    space: Space,
    algorithm: type[SearchAlgorithm],
    settings: Any,
    fitness: FloatArray,
) -> IndexArray:
    """Return (run, step) the architectures asked for."""
    lookup, steps = fitness.tolist(), job.budgets[-1]
    arch = np.empty((job.runs, steps), dtype=np.int32)
    for run in range(job.runs):
        rng = stream(job.seed, f"search/{job.algorithm}/{job.signal}", run)
        arch[run] = run_once(algorithm(space, rng, settings), lookup, steps)
    return arch


def _search_dataset(
    job: SearchJob, trace: Trace, answer: IndexArray, signals: Signals
) -> xr.Dataset:
    def variable(dims: tuple[str, ...], values: Any, units: str, name: str) -> xr.Variable:
        return xr.Variable(dims, values, {"units": units, "long_name": name}, COMPRESSION)

    steps = ("run", "step")
    fitness_units = "percent" if job.signal == ACCURACY else "1"
    return xr.Dataset(
        {
            "trace_arch": variable(steps, trace.arch, "1", "architecture index evaluated"),
            "trace_fitness": variable(
                steps, trace.fitness, fitness_units, f"fitness seen by the search: {job.signal}"
            ),
            "trace_accuracy": variable(
                steps, trace.accuracy, "percent", "trained accuracy, the headline outcome"
            ),
            "scoring_seconds": variable(
                steps,
                trace.scoring_seconds,
                "s",
                "measured scoring time of the guiding proxy up to this step",
            ),
            "training_seconds": variable(
                steps, trace.training_seconds, "s", "simulated training time up to this step"
            ),
            "answer": variable(
                ("run", "budget"), answer, "1", "architecture of best fitness in the first N steps"
            ),
            "answer_accuracy": variable(
                ("run", "budget", "outcome"),
                signals.outcomes[answer],
                "percent",
                "trained accuracy of the answer",
            ),
        },
        coords={
            "run": np.arange(job.runs, dtype=np.int32),
            "step": np.arange(job.budgets[-1], dtype=np.int32),
            "budget": np.array(job.budgets, dtype=np.int64),
            "outcome": np.array(signals.outcome_names, dtype=object),
        },
    )


def _attributes(
    job: SearchJob, signals: Signals, settings: Mapping[str, Any]
) -> dict[str, str | int]:
    identity: dict[str, str | int] = {
        "space": job.space,
        "dataset": job.dataset,
        "algorithm": job.algorithm,
        "signal": job.signal,
        "runs": job.runs,
    }
    provenance = provenance_attributes(
        settings={
            **identity,
            "budgets": list(job.budgets),
            "seed": job.seed,
            "settings": dict(settings),
            "inputs": signals.source_hashes,
        },
        code=code_hash("trainfree.search.run", f"trainfree.search.{job.algorithm}"),
        source_hashes=signals.source_hashes,
        seed=job.seed,
    )
    return {
        **provenance,
        **identity,
        "signal_note": signals.note,
        "headline_outcome": signals.outcome_names[signals.headline],
    }
