"""What guides a search and what it is judged by, as arrays over the whole space.

Reads a scores file and a benchmark file and turns them into lookups by architecture index: the
fitness, the seconds an evaluation costs on the two clocks, and the accuracies of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainfree.combinations import COMBINATION_NAMES, load_combination, proxies_of
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.search.training_cost import (
    FloatArray,
    accuracy_columns,
    accuracy_note,
    no_accuracy,
    require_variables,
    strings,
    training_cost_of,
    training_note,
    training_seconds,
)
from trainfree.spaces.protocol import Space
from trainfree.trainings import ACCURACY, headline

if TYPE_CHECKING:
    import xarray as xr

    from trainfree.combinations.history import Ordering

IndexArray = NDArray[np.int64]


@dataclass(frozen=True)
class Lookups:
    """Lookups by architecture index.

    Attributes
    ----------
    fitness
        (arch,) what the search is told, larger is better; NaN: the architecture failed. Where a
        combination guides, zeros and NaN: what it tells depends on the others looked at.
    ordering
        The combination that guides and the order of architectures by its parts, or None.
    scoring_seconds, training_seconds
        (arch,) what one evaluation costs: measured, and simulated from the benchmark (NaN where
        it has no times).
    outcomes
        (arch, outcome) accuracy in percent of every column of the benchmark, NaN missing.
    outcome_names
        Labels of the columns of ``outcomes``.
    headline
        Position in ``outcomes`` of the accuracy that tables report.
    assistance, assistance_seconds
        (arch,) scores of the assisting proxy and what each costs; None without assistance.
    assisted
        The architectures that have such a score, ascending; None where all have one.
    note
        Sentences for readers: what the fitness is, and the assistance.
    clock_note
        Sentences for readers: what the seconds are.
    source_hashes
        Config hash of each file read.
    """

    fitness: FloatArray
    ordering: Ordering | None
    scoring_seconds: FloatArray
    training_seconds: FloatArray
    outcomes: FloatArray
    outcome_names: tuple[str, ...]
    headline: int
    assistance: FloatArray | None
    assistance_seconds: FloatArray | None
    assisted: IndexArray | None
    note: str
    clock_note: str
    source_hashes: dict[str, str]


def load_lookups(
    space: Space, dataset: str, signal: str, scores: Path | None, benchmark: Path, proxy: str = ""
) -> Lookups:
    """Read what a search on ``dataset`` guided by ``signal`` needs.

    Parameters
    ----------
    signal
        ``"accuracy"``, or the name of a proxy of the scores file or of a combination of them.
    scores
        The merged scores file; read where a proxy guides or assists. One that only assists may
        have scored a sample of the space.
    proxy
        The assisting proxy, "" for none.

    Raises
    ------
    UnknownNameError
        When the data set is unknown or the scores file lacks the proxy.
    DataFileError
        When a file is missing, does not hold the whole space in order, or has no accuracy for
        the data set.
    """
    trained = read_dataset(benchmark, "benchmark")
    _require_whole_space(trained, space, benchmark)
    columns = accuracy_columns(trained, benchmark)
    hashes = {"benchmark": _config_hash(trained)}
    known: dict[str, tuple[FloatArray, FloatArray]] = {}
    assisted: IndexArray | None = None
    ordering: Ordering | None = None
    guides = proxies_of(signal)
    if names := [name for name in (*guides, proxy) if name not in (ACCURACY, "")]:
        scored, path = _read_scores(space, dataset, names[0], scores)
        if signal == ACCURACY and scored.sizes["arch"] < len(space):
            assisted = _sample_of_space(scored, space, path)
        else:
            _require_whole_space(scored, space, path)
        columns_of = {name: _proxy_columns(scored, name, path) for name in names}
        known = {name: _spread(found, assisted, space) for name, found in columns_of.items()}
        hashes["scores"] = _config_hash(scored)
    if signal == ACCURACY:
        cost = training_cost_of(space.name, columns, dataset, benchmark)
        fitness, scoring = columns[cost.outcome], np.zeros(len(space))
        training = training_seconds(trained, cost, benchmark)
        note = accuracy_note(cost) + _failures_note(fitness, "have no such accuracy")
        clock_note = training_note(trained, cost, training)
    else:
        ordering, fitness = _guide(signal, {name: known[name][0] for name in guides})
        scoring = np.sum([np.nan_to_num(known[name][1]) for name in guides], axis=0)
        training = np.zeros(len(space))
        note, clock_note = _proxy_note(signal, fitness), "Scoring seconds were measured."
        if ordering is not None:
            clock_note += f" Those of {signal} are the sum of what its parts cost alone."
        clock_note += "".join(_untimed_note(name, known[name][1]) for name in guides)
    assistance, paid = known.get(proxy, (None, None))
    if proxy:
        note += f" Assisted by the score of {proxy}" + _sample_note(assisted, space) + "."
        clock_note += f" Every score of {proxy} is charged with its measured seconds."
        clock_note += _untimed_note(
            proxy, known[proxy][1][slice(None) if assisted is None else assisted]
        )
    reported = headline(columns, dataset)
    if reported is None:
        raise no_accuracy(columns, dataset, benchmark)
    return Lookups(
        fitness=fitness,
        ordering=ordering,
        scoring_seconds=scoring,
        training_seconds=training,
        outcomes=np.stack(list(columns.values()), axis=1),
        outcome_names=tuple(column.label for column in columns),
        headline=list(columns).index(reported),
        assistance=assistance,
        assistance_seconds=None if paid is None else np.nan_to_num(paid),
        assisted=assisted,
        note=note,
        clock_note=clock_note,
        source_hashes=hashes,
    )


def _guide(signal: str, scores: dict[str, FloatArray]) -> tuple[Ordering | None, FloatArray]:
    """Return the order of architectures by a combination's parts, and the (arch,) fitness."""
    if signal not in COMBINATION_NAMES:
        return None, scores[signal]
    from trainfree.combinations.history import ordering_of  # compiled code, slow to import

    columns = np.stack(list(scores.values()), axis=1)
    failed = np.isnan(columns).any(axis=1)
    return ordering_of(load_combination(signal), columns), np.where(failed, np.nan, 0.0)


def _read_scores(
    space: Space, dataset: str, proxy: str, path: Path | None
) -> tuple[xr.Dataset, Path]:
    if path is None:
        raise DataFileError(
            f"a search that uses the proxy {proxy!r} needs a scores file, none was given; "
            "name the merged scores of this space and data set"
        )
    return read_dataset(path, "scores", {"space": space.name, "dataset": dataset}), path


def _sample_of_space(scored: xr.Dataset, space: Space, path: Path) -> IndexArray:
    """Return the architectures of a file that has a sample of the space, checked by name."""
    indices, names = scored["arch"].to_numpy().tolist(), strings(scored["architecture"])
    for index, name in zip(indices, names, strict=True):
        if space.to_string(index) != name:
            raise DataFileError(
                f"{path}: expected architecture {index} of {space.name} to be "
                f"{space.to_string(index)}, found {name}; score it again"
            )
    return np.array(indices, dtype=np.int64)


def _spread(
    columns: tuple[FloatArray, FloatArray], sample: IndexArray | None, space: Space
) -> tuple[FloatArray, FloatArray]:
    """Return the columns of a sample over the whole space, NaN elsewhere."""
    if sample is None:
        return columns
    spread = np.full((2, len(space)), np.nan)
    spread[:, sample] = columns
    return spread[0], spread[1]


def _proxy_columns(scored: xr.Dataset, proxy: str, path: Path) -> tuple[FloatArray, FloatArray]:
    """Return (arch,) scores of a proxy and (arch,) the seconds that each took."""
    score = _proxy_column(scored, "score", proxy, path)
    _refuse_overflow(score, proxy, path)
    return score, _proxy_column(scored, "proxy_seconds", proxy, path)


def _proxy_column(scored: xr.Dataset, variable: str, proxy: str, path: Path) -> FloatArray:
    """Return the (arch,) values of ``variable`` for one proxy."""
    require_variables(scored, (variable,), path)
    proxies = strings(scored["proxy"])
    if proxy not in proxies:
        raise UnknownNameError(f"proxy in {path}", proxy, proxies)
    values = scored[variable].transpose("arch", "proxy").to_numpy()
    column: FloatArray = values[:, proxies.index(proxy)].astype(np.float64)
    return column


def _refuse_overflow(scores: FloatArray, proxy: str, path: Path) -> None:
    if np.isposinf(scores).any():
        raise DataFileError(
            f"{path}: {proxy} is +inf for architecture {int(np.argmax(np.isposinf(scores)))}, "
            "which is no score (overflow has to be a status); score the space again"
        )


def _proxy_note(signal: str, fitness: FloatArray) -> str:
    failures = _failures_note(fitness, "could not be scored")
    if signal not in COMBINATION_NAMES:
        return f"Guided by the score of {signal}; nothing is trained." + failures
    combination = load_combination(signal)
    dense = [part.proxy for part in combination.parts if part.ties == "dense"]
    return (
        f"Guided by {signal} ({combination.summary} of {', '.join(combination.proxies)}"
        + (f", dense ranks of {', '.join(dense)}" if dense else "")
        + "), ranked again among all evaluations of the run after each; nothing is trained."
        + failures
    )


def _sample_note(sample: IndexArray | None, space: Space) -> str:
    if sample is None:
        return ""
    return (
        f", which {len(sample)} of {len(space)} architectures have, drawn uniformly; what it "
        "chooses from is drawn from those"
    )


def _untimed_note(proxy: str, seconds: FloatArray) -> str:
    """Say how many scores have no time: those that failed before the clock was read."""
    untimed = int(np.isnan(seconds).sum())
    if untimed == 0:
        return ""
    return f" {untimed} scores of {proxy} failed with no time noted, which counts as zero."


def _failures_note(fitness: FloatArray, what: str) -> str:
    failed = int(np.isnan(fitness).sum())
    if failed == 0:
        return ""
    return f" {failed} of {len(fitness)} architectures {what} and count as worst."


def _require_whole_space(data: xr.Dataset, space: Space, path: Path) -> None:
    """Check that a file's rows are the architectures of the space, all of them and in order."""
    if "arch" not in data.coords or "architecture" not in data.coords:
        raise DataFileError(
            f"{path}: expected coordinates 'arch' and 'architecture', found "
            f"{', '.join(map(str, data.coords)) or 'none'}; make the file again"
        )
    indices, names = data["arch"].to_numpy(), strings(data["architecture"])
    if len(indices) != len(space):
        raise DataFileError(
            f"{path}: expected all {len(space)} architectures of {space.name}, "
            f"found {len(indices)}; finish or merge its parts first"
        )
    for place, (index, name) in enumerate(zip(indices.tolist(), names, strict=True)):
        if index != place or name != space.to_string(place):
            raise DataFileError(
                f"{path}: row {place} should be architecture {place} of {space.name}, "
                f"{space.to_string(place)}, found {index}, {name}; make the file again"
            )


def _config_hash(data: xr.Dataset) -> str:
    return str(data.attrs.get("config_hash", "unknown"))
