"""``trainfree show``: one architecture, what it is, its accuracies, its scores and their ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.formats import MISSING, number, seconds
from trainfree.analysis.inputs import outcome_title, status_names, texts
from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.errors import DataFileError, ModelError
from trainfree.files.reading import is_there
from trainfree.files.storage import read_dataset
from trainfree.images.datasets import spec_of
from trainfree.spaces import describes_networks, load_space
from trainfree.spaces.nasbench201.canonical import canonical_form
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.protocol import Space
from trainfree.terminal.architectures import find_architecture
from trainfree.terminal.cell import cell_arrows, draw_cell
from trainfree.terminal.run import Run
from trainfree.terminal.screen import Screen, clean
from trainfree.trainings import MEAN_SEED, known_outcomes

if TYPE_CHECKING:
    import xarray as xr

_MEMBERS_SHOWN = 8


def show_architecture(text: str, run: Run, screen: Screen) -> None:
    """Write all that the files of a run say about one architecture.

    Files that are not there yet or cannot be read are named in place of their contents.

    Raises
    ------
    ArchitectureError
        When ``text`` names no architecture of the space.
    """
    space = load_space(run.space)
    benchmark, absent = _benchmark(run.benchmark)
    index = find_architecture(space, text, benchmark)
    screen.line(f"architecture {index} of {run.space}, 0 to {len(space) - 1}")
    if isinstance(space, CellSpace):
        screen.title("Cell")
        screen.drawing(draw_cell(cell_arrows(space, index)))
    _show_names(space, index, benchmark, screen)
    if isinstance(space, CellSpace):
        _show_class(space, index, screen)
    elif not describes_networks(space):
        _show_module(run, space, index, screen)
    screen.title("Accuracy")
    if benchmark is None:
        screen.line(absent)
    else:
        _show_accuracies(benchmark, index, screen)
    for dataset in run.settings:
        screen.title(f"Scores on {dataset}, setting {run.settings[dataset].name}")
        _show_scores(run, dataset, index, screen)


def rank_of(values: NDArray[np.float64], place: int) -> str:
    """Return ``"rank of count"``, 1 for the largest value; equal values share the best rank.

    Values that are NaN have no rank and are not counted; −∞ is a value.
    """
    known = values[~np.isnan(values)]
    if np.isnan(values[place]):
        return MISSING
    return f"{1 + int((known > values[place]).sum())} of {len(known)}"


def _benchmark(path: Path) -> tuple[xr.Dataset | None, str]:
    try:
        return load_benchmark(path), ""
    except DataFileError as error:
        return None, str(error)


def _show_names(space: Space, index: int, benchmark: xr.Dataset | None, screen: Screen) -> None:
    names = [("string", space.to_string(index))]
    if isinstance(space, CellSpace):
        names += [
            ("operation codes", ",".join(map(str, space.digits(index)))),
            ("NASLib codes", ",".join(map(str, space.to_naslib(index)))),
        ]
    official = -1 if benchmark is None else int(benchmark["official_index"][index])
    known = str(official) if official >= 0 else "not in the benchmark file"
    screen.title("Encodings")
    screen.table(("encoding", "architecture"), [*names, ("official index", known)])


def _show_module(run: Run, space: Space, index: int, screen: Screen) -> None:
    """Write the layers of a torch module as torch prints them, or why there are none."""
    from trainfree.scoring.architectures.modules import printed  # torch is needed for this alone

    spec = spec_of(run.configured.first_dataset)
    screen.title("Module")
    try:
        text = printed(space, index, spec.image_size, spec.classes)
    except (ModelError, MemoryError) as error:
        text = str(error)
    screen.drawing(
        " " * (len(line) - len(line.lstrip(" "))) + clean(line) for line in text.splitlines()
    )


def _show_class(space: CellSpace, index: int, screen: Screen) -> None:
    """Write the canonical form and which other cells are the same function."""
    form = canonical_form(space, index, "function")
    same = [
        other for other in range(len(space)) if canonical_form(space, other, "function") == form
    ]
    members = ", ".join(map(str, same[:_MEMBERS_SHOWN]))
    more = f" and {len(same) - _MEMBERS_SHOWN} more" if len(same) > _MEMBERS_SHOWN else ""
    screen.title("Canonical form")
    screen.line(form)
    alone = "no other cell is the same function of input and weights"
    several = f"one of {len(same)} cells that are the same function: {members}{more}"
    screen.line(alone if len(same) == 1 else several)
    if not space.is_connected(index):
        screen.line("its output does not depend on its input")


def _show_accuracies(benchmark: xr.Dataset, index: int, screen: Screen) -> None:
    rows = []
    for outcome in known_outcomes(benchmark):
        dataset, split, epochs = outcome
        column = accuracy_column(benchmark, *outcome)
        single = (
            benchmark["accuracy"].isel(arch=index).sel(dataset=dataset, split=split, epochs=epochs)
        )
        trainings = [
            number(float(value))
            for seed, value in zip(texts(benchmark["seed"]), single.to_numpy(), strict=True)
            if seed != MEAN_SEED and not np.isnan(value)
        ]
        title = outcome_title(outcome.label)
        accuracy, rank = number(float(column[index])), rank_of(column, index)
        rows.append((f"{title} ({dataset})", accuracy, rank, ", ".join(trainings) or MISSING))
    screen.table(("outcome", ">%", ">rank", "single trainings"), rows)
    screen.line(f"source: {benchmark.attrs.get('source_note', 'not stated')}")


def _show_scores(run: Run, dataset: str, index: int, screen: Screen) -> None:
    merged = run.scores(dataset)
    try:
        scores, whole = _scores_with(merged, run.shards(dataset), index)
    except DataFileError as error:
        screen.line(str(error))
        return
    place = int(np.flatnonzero(scores["arch"].to_numpy() == index)[0])
    screen.table(
        ("proxy", ">score", ">rank", "state", ">seconds"), _score_rows(scores, place, whole)
    )
    screen.line(_sizes(scores, place))
    if message := texts(scores["message"])[place]:
        screen.line(f"failed: {message}")
    if not whole:
        screen.line(f"ranks need the merged scores, {merged}, which are not there yet")
    if scores.attrs.get("stand_in"):
        screen.line(f"stand-in images: {scores.attrs.get('image_source')}")


def _scores_with(merged: Path, shards: Sequence[Path], index: int) -> tuple[xr.Dataset, bool]:
    """Return scores that hold the architecture, and whether they are all that the run has.

    Raises
    ------
    DataFileError
        When it is not scored, yet or at all.
    """
    if is_there(merged):
        scores = read_dataset(merged, "scores")
        if index in scores["arch"]:
            return scores, True
        raise DataFileError(
            f"not scored: it is not among the {scores.sizes['arch']:,} architectures of {merged}, "
            "a sample of the space"
        )
    # The names of shards are places in the list of what is scored, which may be a sample.
    for path in filter(is_there, shards):
        scores = read_dataset(path, "scores")
        if index in scores["arch"]:
            return scores, False
    raise DataFileError(f"not scored yet: neither {merged} nor a shard with {index} is there")


def _score_rows(
    scores: xr.Dataset, place: int, whole: bool
) -> Iterable[tuple[str, str, str, str, str]]:
    for proxy in texts(scores["proxy"]):
        column = scores["score"].sel(proxy=proxy).to_numpy().astype(np.float64)
        score = float(column[place])
        spent = float(scores["proxy_seconds"].sel(proxy=proxy)[place])
        yield (
            proxy,
            number(score, 0 if score.is_integer() else 4),
            rank_of(column, place) if whole else MISSING,
            str(status_names(scores, proxy)[place]),
            seconds(spent),
        )


def _sizes(scores: xr.Dataset, place: int) -> str:
    counts = [float(scores[name][place]) for name in ("params", "flops", "relu_units")]
    if min(counts) < 0:
        return "it could not be built, so nothing of it is counted"
    params, flops, units = (number(count, 0) for count in counts)
    return f"{params} parameters, {flops} multiply-adds and {units} ReLU units for one image"
