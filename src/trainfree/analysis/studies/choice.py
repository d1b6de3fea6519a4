"""The architectures of the studies of the NASWOT score, drawn by their trained accuracy.

The ablation has one of each band of five percentiles in the upper half of the space, the training
study so many of those above a validation accuracy (NASWOT paper, Figures 5 and 6). Kernels are
looked at along the whole space, one of each of so many equal bands (Figure 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import (
    Floats,
    Target,
    outcome_title,
    read_benchmark,
    target_of,
    targets,
)
from trainfree.errors import DataFileError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.trainings import known_outcomes, longest_validation

Study = Literal["ablation", "kernels", "training"]
BAND, LOWEST_BAND = 5, 50
BANDS = tuple((low, low + BAND) for low in range(LOWEST_BAND, 100, BAND))
Random = Callable[[int], np.random.Generator]


def choose_architectures(
    study: Study,
    benchmark: Path,
    dataset: str,
    seed: int,
    output: Path,
    count: int = 10,
    above: float = 90.0,
) -> xr.Dataset:
    """Draw the architectures of a study, write the file of kind "choice" and return it.

    Parameters
    ----------
    benchmark
        Benchmark file of the space.
    dataset
        Image set whose accuracies decide: those of the test set for the ablation, those of the
        validation set, where there are any, for the training study.
    count, above
        Of the kernels and the training study: how many; of the latter alone: above which
        accuracy in percent.

    Raises
    ------
    DataFileError
        When the benchmark lacks accuracies, or too few architectures have what is asked for.
    """
    table = read_benchmark(benchmark)
    target = targets(table, dataset, benchmark)[0]
    if study == "training":
        target = _validation(table, dataset) or target
    accuracy = target.accuracy.to_numpy(dtype=np.float64)
    title = outcome_title(target.name)
    if study == "ablation":
        places = one_of_each_band(accuracy, lambda band: stream(seed, "choice/ablation", band))
        rule = f"one of each {BAND} % band of {title} accuracy from {LOWEST_BAND} % to 100 %"
    elif study == "kernels":
        edges = [(100 * band / count, 100 * (band + 1) / count) for band in range(count)]
        places = one_of_each_band(
            accuracy, lambda band: stream(seed, "choice/kernels", band), edges
        )
        rule = f"one of each of {count} equal parts of the space by accuracy ({title})"
    else:
        places = some_above(accuracy, above, count, stream(seed, "choice/training"), benchmark)
        rule = f"{count} above {number(above, 1)} % {title} accuracy"
    chosen = _dataset(table, target, places).assign_attrs(
        **provenance_attributes(
            settings={
                **{"study": study, "dataset": dataset, "seed": seed, "count": count},
                **{"above": above, "benchmark": str(table.attrs["config_hash"])},
            },
            code=code_hash(__name__),
            source_hashes={"benchmark": str(table.attrs["config_hash"])},
            seed=seed,
        ),
        space=str(table.attrs["space"]),
        dataset=dataset,
        target=target.name,
        rule=rule,
        accuracy_source=str(table.attrs.get("source_note", "not recorded")),
        accuracy_stand_in=int(table.attrs.get("stand_in", 0)),
    )
    write_dataset(chosen, output, "choice")
    return chosen


def one_of_each_band(
    accuracy: Floats, random: Random, bands: Sequence[tuple[float, float]] = BANDS
) -> NDArray[np.intp]:
    """Return one place of each band of percentiles, the lowest band first.

    Parameters
    ----------
    accuracy
        Percent, NaN where missing: such are in no band. Equals stand in the order given.
    random
        Returns the random numbers of a band.
    bands
        Their lower and upper ends in percent of the architectures with an accuracy.
    """
    order = np.argsort(accuracy, kind="stable")[: int(np.isfinite(accuracy).sum())]
    chosen = []
    for band, (low, high) in enumerate(bands):
        first, last = (ceil(len(order) * edge / 100) for edge in (low, high))
        if first == last:
            raise DataFileError(f"{len(order)} accuracies: none is in the band {low:g}-{high:g} %")
        chosen.append(order[first + random(band).integers(last - first)])
    return np.array(chosen)


def some_above(
    accuracy: Floats, above: float, count: int, rng: np.random.Generator, origin: Path
) -> NDArray[np.intp]:
    """Return ``count`` different places with an accuracy above ``above`` percent, ascending."""
    places = np.flatnonzero(accuracy > above)
    if len(places) < count:
        raise DataFileError(
            f"{origin}: expected {count} architectures above {above:g} %, found {len(places)}; "
            "choose a lower training.above_percent"
        )
    return np.sort(rng.permutation(places)[:count])


def _validation(table: xr.Dataset, dataset: str) -> Target | None:
    """Return the validation accuracies at the most epochs for which there are any."""
    outcome = longest_validation(known_outcomes(table), dataset)
    return None if outcome is None else target_of(table, outcome)


def _dataset(table: xr.Dataset, target: Target, places: NDArray[np.intp]) -> xr.Dataset:
    accuracy = target.accuracy.to_numpy(dtype=np.float64)
    ranks = np.argsort(np.argsort(accuracy, kind="stable"), kind="stable")
    known = max(int(np.isfinite(accuracy).sum()), 1)

    def column(values: object, long_name: str, units: str) -> tuple[object, ...]:
        return ("arch", values, {"long_name": long_name, "units": units})

    return xr.Dataset(
        {
            "accuracy": column(accuracy[places], "trained accuracy", "percent"),
            "percentile": column(100.0 * ranks[places] / known, "architectures below", "percent"),
        },
        coords={
            "arch": column(table["arch"].to_numpy()[places], "index in the space's order", "1"),
            "architecture": ("arch", np.array(target.accuracy.index[places], dtype=object)),
        },
    )
