"""``trainfree rank``: anybody's scores on a board beside the suite's own, without computing any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.analysis.formats import MISSING, count_of, number, with_interval
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.ranking.board import (
    FEWEST,
    FEWEST_TESTED,
    MEASURES,
    TITLES,
    Board,
    Column,
    make_board,
)
from trainfree.analysis.ranking.form import Block
from trainfree.analysis.tables import csv_text, markdown_text
from trainfree.errors import DataFileError
from trainfree.files.writing import write_text
from trainfree.outside.extensions import load_files
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.space import CellSpace
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
from trainfree.terminal.ranking.own_scores import OwnScores, Reading, read_own_scores
from trainfree.terminal.screen import Screen

Floats = NDArray[np.float64]
SUFFIXES = (".csv", ".md")
YOURS = "yours"
MANY, FEW_RESAMPLES, RESAMPLES = 3000, 200, 1000
"""Of longer lists fewer resamples are drawn: they err less, and each takes longer."""


@dataclass(frozen=True)
class Request:
    """What is to be ranked, and against what.

    Attributes
    ----------
    path, space, reading
        The list, its space, and which column is what.
    dataset
        Image set of the suite's scores; empty: CIFAR-10 where there are any.
    outcome
        Accuracy that decides, ``dataset/split/epochs``; empty: the one that tables report.
    benchmark
        File of trained accuracies; None for that of ``folder``, else the package's.
    scores
        Scores to stand beside the list; of none those of the package.
    folder
        Where ``data/benchmarks`` is.
    resamples, seed
        Of the bootstrap; 0 resamples for a number that suits the length of the list.
    outputs
        Files to write too, ``.csv`` or ``.md``.
    extra
        Files that define the space.
    """

    path: Path
    space: str
    reading: Reading
    dataset: str = ""
    outcome: str = ""
    benchmark: Path | None = None
    scores: tuple[Path, ...] = ()
    folder: Path = Path()
    resamples: int = 0
    seed: int = 0
    outputs: tuple[Path, ...] = ()
    extra: tuple[Path, ...] = ()


def rank_scores(request: Request, screen: Screen) -> None:
    """Write the board of a list of scores and the suite's own, and the tests between them.

    Raises
    ------
    DataFileError
        When the list cannot be read, or no accuracies are known of its architectures.
    UnknownNameError
        When a space, column or outcome does not exist.
    """
    _check_outputs(request.outputs)
    load_files(request.extra)
    space = load_space(request.space)
    benchmark = read_known_benchmark(request.space, request.benchmark, request.folder)
    own = read_own_scores(request.path, space, request.reading, benchmark)
    blocks = known_blocks(space, request.scores)
    known = trained_accuracies(space, benchmark, alone=request.benchmark is not None)
    dataset = request.dataset or default_dataset(blocks, known)
    trained = chosen_accuracy(known, request.space, dataset, request.outcome)
    accuracy = trained.percent[own.arch]
    there = ~np.isnan(accuracy)
    if there.sum() < FEWEST:
        raise DataFileError(
            f"{request.path}: expected at least {FEWEST} architectures with the accuracy "
            f"{trained.outcome.label}, found {there.sum()}; name another one with --outcome or "
            "--benchmark"
        )
    columns = [
        *(Column(name, values[there], own=True) for name, values in own.scores.items()),
        *suite_columns(blocks, dataset, own.arch[there]),
    ]
    many = there.sum() > MANY
    resamples = request.resamples or (FEW_RESAMPLES if many else RESAMPLES)
    board = make_board(columns, accuracy[there], len(space), resamples, request.seed)
    told = _told(request, own, trained, dataset, int(there.sum()), len(space))
    if len(columns) == len(own.scores):
        told.append(_nothing_beside(blocks, dataset))
    _show(board, told, isinstance(space, CellSpace) and request.reading.encoding == "own", screen)
    for path in request.outputs:
        _write(board, told, path)


def suite_columns(blocks: Sequence[Block], dataset: str, arch: NDArray[np.int64]) -> list[Column]:
    """Return the suite's scores of a list of architectures, a column a proxy.

    A proxy that several files have is that of the file with the most of these architectures.
    """
    within = [_only(block, arch) for block in blocks if block.provenance["dataset"] == dataset]
    columns = []
    for proxy in proxies_of(within, dataset):
        block = best_column(within, dataset, proxy)
        if block is None or np.isnan(block.column(proxy)).all():
            continue
        found = pd.Series(block.column(proxy), index=block.arch).reindex(arch)
        values: Floats = found.to_numpy().astype(np.float64)
        setting = str(block.provenance["setting"])
        stand_in = ", stand-in images" if block.provenance["stand_in"] else ""
        columns.append(Column(proxy, values, False, setting + stand_in))
    return columns


def _only(block: Block, arch: NDArray[np.int64]) -> Block:
    kept = np.isin(block.arch, arch)
    rows = {name: getattr(block, name)[kept] for name in ("arch", "params", "flops", "scores")}
    return Block(block.provenance, proxies=block.proxies, drawn=block.drawn, **rows)


def _nothing_beside(blocks: Sequence[Block], dataset: str) -> str:
    """Return what to say where the suite has no scores of the list."""
    others = dict.fromkeys(str(block.provenance["dataset"]) for block in blocks)
    others.pop(dataset, None)
    there = f"; there are some on {', '.join(others)}: give --dataset" if others else ""
    return f"the suite has no scores of these architectures on {dataset}{there}"


def _check_outputs(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise DataFileError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}")


def _told(
    request: Request, own: OwnScores, trained: Trained, dataset: str, n: int, size: int
) -> list[str]:
    """Return what a reader has to know of the board, sentence by sentence."""
    listed = f"{request.path.name}: {n:,} of the {size:,} architectures of {request.space}"
    without = len(own.arch) - n
    if without:
        listed += f"; {without:,} more have no such accuracy and are left out"
    beside = SHIPPED if not request.scores else ", ".join(map(str, request.scores))
    sentences = [
        listed,
        f"accuracy: {outcome_title(trained.outcome.label)} ({trained.source})",
        f"beside them: {beside}, on {dataset}",
    ]
    if own.ignored:
        sentences.append(f"columns left out: {', '.join(own.ignored)}")
    return sentences


BOARD_COLUMNS = ("Proxy", "Scores of", "n", "no score", *TITLES.values())
TEST_COLUMNS = (
    "Yours",
    "Suite's",
    "n",
    "τ yours",
    "τ suite's",
    "difference",
    "p (Holm)",
    "Yours is",
)


def _board_rows(board: Board) -> list[tuple[str, ...]]:
    return [
        (
            line.column.name,
            YOURS if line.column.own else line.column.setting,
            number(line.n, 0),
            number(line.missing, 0),
            *(with_interval(line.measured[name], *line.intervals[name]) for name in MEASURES),
        )
        for line in board.lines
    ]


def _test_rows(board: Board) -> list[tuple[str, ...]]:
    return [
        (
            test.own,
            test.other,
            number(test.n, 0),
            number(test.own_value, 3),
            number(test.other_value, 3),
            with_interval(test.difference, test.low, test.high),
            _p_text(test.adjusted),
            test.verdict,
        )
        for test in board.tests
    ]


def _p_text(value: float) -> str:
    if value != value:  # NaN: too few architectures in common
        return MISSING
    return "< 0.001" if value < 0.001 else number(value, 3)


def _method(board: Board) -> str:
    return (
        f"95 % bootstrap intervals over architectures ({board.resamples:,} resamples, the same for "
        "all columns); nDCG@1000 is that of the whole space, of which the list is taken for a "
        "uniform sample"
    )


def _show(board: Board, told: Sequence[str], own_indices: bool, screen: Screen) -> None:
    for sentence in told:
        screen.line(sentence)
    screen.title("Board")
    marks = _marks(board)
    rows = [(name, marks.get(whose, whose), *rest) for name, whose, *rest in _board_rows(board)]
    screen.table(_titles(BOARD_COLUMNS), rows)
    for setting, mark in marks.items():
        screen.line(f"{mark}: the suite's, {setting}")
    screen.line(_method(board))
    if board.tests:
        screen.title("Your scores against each of the suite's: paired tests of τ-b")
        screen.table(_titles(TEST_COLUMNS), _test_rows(board))
        tested = sum(test.p_value == test.p_value for test in board.tests)
        screen.line(
            "on the architectures that both have scores for, at least "
            f"{FEWEST_TESTED}; p by Holm's method over {count_of(tested, 'test')}"
        )
    if own_indices:
        screen.line(
            "bare numbers are indices in the suite's order, as trainfree show has them; for the "
            "benchmark's own indices give --encoding official"
        )


def _marks(board: Board) -> dict[str, str]:
    """Return a short name for each setting: their names would leave a terminal no room."""
    settings = dict.fromkeys(line.column.setting for line in board.lines if not line.column.own)
    return {setting: f"suite {place}" for place, setting in enumerate(settings, start=1)}


def _titles(names: Sequence[str]) -> list[str]:
    words = ("Proxy", "Scores of", "Yours", "Suite's", "Yours is")
    return [name if name in words else f">{name}" for name in names]


def _write(board: Board, told: Sequence[str], path: Path) -> None:
    """Write the board; as CSV, the tests go into a file beside it."""
    if path.suffix == ".csv":
        write_text(path, csv_text(_board_frame(board)))
        if board.tests:
            tests = pd.DataFrame(
                [{**test.__dict__, "verdict": test.verdict} for test in board.tests]
            )
            write_text(path.with_name(f"{path.stem}-tests.csv"), csv_text(tests))
        return
    shown = pd.DataFrame(_board_rows(board), columns=list(BOARD_COLUMNS))
    parts = [markdown_text(shown, f"{'; '.join(told)}. {_method(board)}")]
    if board.tests:
        tests = pd.DataFrame(_test_rows(board), columns=list(TEST_COLUMNS))
        title = "Paired tests of Kendall's τ-b on the architectures that both have scores for"
        parts.append(markdown_text(tests, title))
    write_text(path, "\n".join(parts))


def _board_frame(board: Board) -> pd.DataFrame:
    rows = []
    for line in board.lines:
        row: dict[str, object] = {
            "proxy": line.column.name,
            "own": int(line.column.own),
            "setting": line.column.setting,
            "n": line.n,
            "missing": line.missing,
            "infinite": line.infinite,
        }
        for name in MEASURES:
            row[name] = line.measured[name]
            row[f"{name}_low"], row[f"{name}_high"] = line.intervals[name]
        rows.append({**row, "resamples": board.resamples})
    return pd.DataFrame(rows)
