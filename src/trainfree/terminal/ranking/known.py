"""What is known of a space without scoring: its scores and accuracies, from whatever has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.inputs import read_scores
from trainfree.analysis.ranking.form import KIND, Block, hash_of_names
from trainfree.analysis.ranking.reading import read_shipped, read_shipped_file
from trainfree.benchmarks.load import load_benchmark
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.reading import files_below, is_there
from trainfree.files.storage import read_kind
from trainfree.spaces.listed import MEMBERS_FILE, ListedSpace
from trainfree.spaces.protocol import Space
from trainfree.terminal.ranking.publishing import block_of
from trainfree.trainings import TRAININGS, Outcome, column_of, headline, known_outcomes

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
SHIPPED = "the scores that come with trainfree"


@dataclass(frozen=True)
class Trained:
    """One trained accuracy.

    Attributes
    ----------
    outcome
        Which one.
    percent
        (arch,), NaN where missing.
    source
        Where it came from.
    """

    outcome: Outcome
    percent: Floats
    source: str


def known_blocks(space: Space, places: Sequence[Path]) -> list[Block]:
    """Return the scores of a space: of files and folders of results, or those of the package.

    Parameters
    ----------
    places
        Scores files, folders of results, or files in the form of the shipped one; of none it is
        the package's own file.

    Raises
    ------
    DataFileError
        When there is no such file or folder, it is damaged, or is of another list of networks.
    """
    found = [one for place in places for one in _blocks_at(place)]
    every = found if places else read_shipped().blocks
    blocks = [one for one in every if one.provenance["space"] == space.name]
    if isinstance(space, ListedSpace):  # what it lists is in a file of this machine
        for one in blocks:
            names = (space.to_string(int(index)) for index in one.arch)
            if hash_of_names(names) != one.provenance["names_hash"]:
                raise DataFileError(
                    f"{' '.join(one.place)}: was scored on another list of architectures than "
                    f"{MEMBERS_FILE.format(space=space.name)} has; prepare the benchmark again"
                )
    return blocks


def _blocks_at(place: Path) -> Sequence[Block]:
    if not place.is_dir():
        if read_kind(place) == KIND:
            return read_shipped_file(place).blocks
        return [block_of(read_scores(place), place)]
    found = files_below(place, "scores/*/*/*.h5")
    if not found:
        raise DataFileError(
            f"{place}: has no merged scores; expected a folder like results/default with "
            "scores/SPACE/DATASET/SETTING.h5"
        )
    return [block_of(read_scores(path), path) for path in found]


def best_column(blocks: Sequence[Block], dataset: str, proxy: str) -> Block | None:
    """Return the block of an image set with the most architectures scored by a proxy.

    Of equal ones it is that of real images, of the lowest seed, and then the first by name.
    """

    def preference(block: Block) -> tuple[int, int, int, str]:
        scored = int((~np.isnan(block.column(proxy))).sum())
        stand_in, seed = (int(block.provenance[name]) for name in ("stand_in", "seed"))
        return -scored, stand_in, seed, str(block.provenance["setting"])

    having = [
        block
        for block in blocks
        if block.provenance["dataset"] == dataset and proxy in block.proxies
    ]
    return min(having, key=preference, default=None)


def proxies_of(blocks: Sequence[Block], dataset: str) -> list[str]:
    """Return the proxies with scores on an image set, each once."""
    return list(
        dict.fromkeys(
            name
            for block in blocks
            if block.provenance["dataset"] == dataset
            for name in block.proxies
        )
    )


def read_known_benchmark(space: str, named: Path | None, folder: Path) -> xr.Dataset | None:
    """Return the prepared benchmark: the named file, else that of the folder, else None.

    Raises
    ------
    DataFileError
        When the named file is not there, or one is damaged.
    """
    path = folder / MEMBERS_FILE.format(space=space) if named is None else named
    if named is None and not is_there(path):
        return None
    return load_benchmark(path)


def trained_accuracies(
    space: Space, benchmark: xr.Dataset | None, *, alone: bool = False
) -> list[Trained]:
    """Return every accuracy of the benchmark, then those of the package that it has not.

    Parameters
    ----------
    benchmark
        The content of the prepared file; None without one.
    alone
        Whether nothing but the benchmark counts.

    Raises
    ------
    DataFileError
        When it is the benchmark of another space.
    """
    known = [] if benchmark is None else _of_benchmark(space, benchmark)
    if alone:
        return known
    there = {one.outcome.label for one in known}
    return known + [
        Trained(Outcome.of_label(one.outcome), one.percent.astype(np.float64), one.source)
        for one in read_shipped().accuracies
        if one.space == space.name and one.outcome not in there
    ]


def _of_benchmark(space: Space, benchmark: xr.Dataset) -> list[Trained]:
    size = benchmark.sizes["arch"]
    named = str(benchmark.attrs.get("space", space.name))
    if named != space.name or size != len(space):
        raise DataFileError(
            f"the benchmark is of {named} with {size:,} architectures; expected {space.name} with "
            f"{len(space):,}: name another one with --benchmark"
        )
    source = str(benchmark.attrs.get("source_note", "not stated"))
    columns = ((outcome, column_of(benchmark, outcome)) for outcome in known_outcomes(benchmark))
    return [Trained(each, values, source) for each, values in columns if values is not None]


def chosen_accuracy(
    known: Sequence[Trained], space: str, dataset: str, outcome: str = ""
) -> Trained:
    """Return the accuracy that is named, else the one that tables report of an image set.

    Raises
    ------
    UnknownNameError
        When there is none of that name.
    DataFileError
        When there is none of that image set.
    """
    by_label = {one.outcome.label: one for one in known}
    if outcome:
        if outcome not in by_label:
            raise UnknownNameError("outcome", outcome, by_label)
        return by_label[outcome]
    best = headline([one.outcome for one in known], dataset)
    if best is None:
        there = f"; known are {', '.join(by_label)}" if by_label else ""
        raise DataFileError(
            f"no trained accuracies of {space} on {dataset}{there}. Prepare them with "
            f"snakemake --cores 1 {MEMBERS_FILE.format(space=space)}, or name a prepared file with "
            "--benchmark"
        )
    return by_label[best.label]


def default_dataset(blocks: Sequence[Block], known: Sequence[Trained]) -> str:
    """Return the image set where none is named: CIFAR-10 where anything is known of it."""
    names = [str(block.provenance["dataset"]) for block in blocks]
    trained = {one.outcome.dataset.lower() for one in known}
    names += [
        name
        for name, trainings in TRAININGS.items()
        if trained & {each.lower() for each in trainings} and name != "generated"
    ]
    return "cifar10" if "cifar10" in names or not names else names[0]
