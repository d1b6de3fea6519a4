"""``trainfree top``: the best architectures of a space by a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainfree.analysis.formats import MISSING, number
from trainfree.analysis.inputs import outcome_title
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.outside.extensions import load_files
from trainfree.spaces import load_space
from trainfree.terminal.ranking.known import (
    SHIPPED,
    Trained,
    best_column,
    chosen_accuracy,
    default_dataset,
    known_blocks,
    proxies_of,
    read_known_benchmark,
    trained_accuracies,
)
from trainfree.terminal.screen import Screen


@dataclass(frozen=True)
class Wanted:
    """What is to be listed.

    Attributes
    ----------
    proxy, space
        Names.
    dataset
        Image set; empty: CIFAR-10 where there are scores of it.
    scores
        Scores files or folders of results; of none the package's file.
    count
        How many.
    benchmark, folder
        File of trained accuracies, else the folder with ``data/benchmarks``.
    extra
        Files that define the space.
    """

    proxy: str
    space: str
    dataset: str = ""
    scores: tuple[Path, ...] = ()
    count: int = 10
    benchmark: Path | None = None
    folder: Path = Path()
    extra: tuple[Path, ...] = ()


def show_top(wanted: Wanted, screen: Screen) -> None:
    """Write the best architectures by a proxy, with their size and, where known, their accuracy.

    Raises
    ------
    DataFileError
        When there are no scores of the space.
    UnknownNameError
        When the space does not exist, or nobody scored it with the proxy.
    """
    if wanted.count < 1:
        raise DataFileError(f"-k: expected at least 1, found {wanted.count}")
    load_files(wanted.extra)
    space = load_space(wanted.space)
    blocks = known_blocks(space, wanted.scores)
    where = ", ".join(map(str, wanted.scores)) if wanted.scores else SHIPPED
    benchmark = read_known_benchmark(wanted.space, wanted.benchmark, wanted.folder)
    known = trained_accuracies(space, benchmark, alone=wanted.benchmark is not None)
    dataset = wanted.dataset or default_dataset(blocks, [])
    proxies = proxies_of(blocks, dataset)
    if not proxies:
        raise DataFileError(
            f"no scores of {wanted.space} on {dataset} in {where}; name a scores file or a folder "
            "of results with --scores"
        )
    block = best_column(blocks, dataset, wanted.proxy)
    if block is None:
        raise UnknownNameError(f"proxy with scores of {wanted.space}", wanted.proxy, proxies)
    trained = _accuracy(known, wanted.space, dataset)
    scores = block.column(wanted.proxy)
    order = np.argsort(-scores, kind="stable")  # NaN stands last
    order = order[~np.isnan(scores[order])][: wanted.count]
    found = int((~np.isnan(scores)).sum())
    screen.line(
        f"{wanted.space}, the best by {wanted.proxy} of {found:,} scored architectures of "
        f"{len(space):,}"
    )
    images = ", stand-in images" if block.provenance["stand_in"] else ""
    screen.line(f"scores: {where}, {dataset}, setting {block.provenance['setting']}{images}")
    if trained is None:
        screen.line("no accuracies of trained networks are known")
    else:
        screen.line(f"accuracy: {outcome_title(trained.outcome.label)} ({trained.source})")
    screen.line()
    screen.table(
        (">rank", ">index", f">{wanted.proxy}", ">params", ">FLOPs", ">accuracy", "architecture"),
        [
            (
                number(1 + float((scores > scores[row]).sum()), 0),
                str(block.arch[row]),
                number(float(scores[row]), 0 if float(scores[row]).is_integer() else 4),
                *(_count(int(each[row])) for each in (block.params, block.flops)),
                MISSING if trained is None else number(float(trained.percent[block.arch[row]])),
                space.to_string(int(block.arch[row])),
            )
            for row in order.tolist()
        ],
    )


def _accuracy(known: list[Trained], space: str, dataset: str) -> Trained | None:
    """Return the accuracy that tables report of an image set; a new space has none."""
    try:
        return chosen_accuracy(known, space, dataset)
    except DataFileError:
        return None


def _count(value: int) -> str:
    return MISSING if value < 0 else f"{value:,}"
