"""How a table is declared: ``@table`` on the function that makes it, in a file of its own.

The declaration says all there is to know of a table besides its rows: what it is made from, its
columns and how they are shown, its caption, its place on the page, and what asks the workflow for
it. Whoever needs to know which tables there are reads :mod:`trainfree.analysis.registry`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from trainfree.analysis.formats import Cell, shown_as
from trainfree.analysis.inputs import read_benchmark, read_scores, score_settings, targets
from trainfree.analysis.origins import SUFFIXES, MadeFrom, Place
from trainfree.analysis.published import Published, read_published
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import Column, read_table
from trainfree.errors import DataFileError

LOG = logging.getLogger(__name__)
Kind = Literal[
    "scores",
    "searches",
    "benchmark",
    "published",
    "hardware",
    "fronts",
    "draws",
    "ablation",
    "training",
    "learned",
    "shared",
    "enas",
    "enas_cells",
    "enas_convolutional",
    "landscape",
    "published_scores",
    "published_landscape",
    "benchmarks",
    "published_across",
    "published_field",
    "board",
]
Of = Literal["run", "agreement", "space_agreement", "across", "field", "space"]
RESAMPLING = ("seed", "bootstrap_resamples")
JUDGING = ("margin_percent", "margin_correlation", "margin_score", "coarsest")
"""Settings of tables with intervals, and of those with verdicts."""

RUN = "tables"
"""The target of the workflow that a plain run includes."""


@dataclass(frozen=True)
class Inputs:
    """The files that tables are made from; nothing is opened before it is asked for.

    Attributes
    ----------
    scores, searches, benchmark
        Merged scores, search files, trained accuracies.
    published
        Files of the papers' numbers, in the papers' order.
    hardware, fronts, draws, ablation, training, learned, enas, enas_convolutional, landscape
        Files of these kinds.
    shared
        Trainings of shared weights, files of kind "weight_sharing".
    enas_cells
        Trainings of cells that the search of ``enas`` gave.
    benchmarks
        Trained accuracies of several spaces.
    published_scores, published_landscape, published_across, published_field
        Proxy scores that others published, published numbers of a whole space, of several, and of
        the tables by which proxies are compared.
    board
        Scores that proxies are compared on, one file a seed, the run's own first.
    tables
        CSV files of the tables that are made from other tables.
    settings
        Seed, resamples and margins.
    leave_out
        Leave out what cannot be used rather than raise an error.
    """

    scores: tuple[Path, ...] = ()
    searches: tuple[Path, ...] = ()
    benchmark: Path | None = None
    published: tuple[Path, ...] = ()
    hardware: Path | None = None
    fronts: tuple[Path, ...] = ()
    draws: tuple[Path, ...] = ()
    ablation: tuple[Path, ...] = ()
    training: tuple[Path, ...] = ()
    learned: tuple[Path, ...] = ()
    shared: tuple[Path, ...] = ()
    enas: Path | None = None
    enas_cells: tuple[Path, ...] = ()
    enas_convolutional: Path | None = None
    landscape: Path | None = None
    published_scores: tuple[Path, ...] = ()
    published_landscape: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    published_across: Path | None = None
    published_field: tuple[Path, ...] = ()
    board: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    leave_out: bool = False

    @cached_property
    def run(self) -> RunFiles:
        """Scores, searches, accuracies and shared weights, as far as they are there."""
        return RunFiles(
            self.scores, self.searches, self.benchmark, self.shared, leave_out=self.leave_out
        )

    @cached_property
    def papers(self) -> list[Published]:
        """The papers' numbers."""
        return [read_published(path) for path in self.published]

    @property
    def first_paper(self) -> Published | None:
        """The paper whose numbers stand in the general tables."""
        return self.papers[0] if self.papers else None

    @cached_property
    def scored(self) -> tuple[Path, ...]:
        """The scores files; with ``leave_out`` those whose data set has trained accuracies.

        Raises
        ------
        DataFileError
            When there is none.
        """
        paths = self.some("scores")
        if not self.leave_out:
            return paths
        usable = []
        for path in paths:
            try:
                dataset = score_settings(read_scores(path), path)["dataset"]
                benchmark = self.file("benchmark")
                targets(read_benchmark(benchmark), dataset, benchmark)
            except DataFileError as error:
                LOG.warning("left out: %s", error)
            else:
                usable.append(path)
        return replace(self, scores=tuple(usable)).some("scores")

    @cached_property
    def searched(self) -> tuple[Path, ...]:
        """The search files; with ``leave_out`` those that can be used.

        Raises
        ------
        DataFileError
            When there is none.
        """
        if not self.leave_out:
            return self.some("searches")
        return replace(self, searches=tuple(self.run.search_files)).some("searches")

    def some(self, kind: Kind) -> tuple[Path, ...]:
        """Return the files of a kind of which there may be several.

        Raises
        ------
        DataFileError
            When there is none.
        """
        paths: tuple[Path, ...] = getattr(self, kind)
        if not paths:
            raise DataFileError(f"expected files of kind {kind}, found none")
        return paths

    def file(self, kind: Kind) -> Path:
        """Return the one file of a kind.

        Raises
        ------
        DataFileError
            When there is none.
        """
        path: Path | None = getattr(self, kind)
        if path is None:
            raise DataFileError(f"expected a file of kind {kind}, found none")
        return path

    def table(self, name: str) -> Path:
        """Return the CSV file of a table.

        Raises
        ------
        DataFileError
            When it is not among the files.
        """
        for path in self.tables:
            if path.stem == name:
                return path
        raise DataFileError(f"expected the table {name}, found none of that name; make it first")

    def rows_of(self, name: str) -> pd.DataFrame:
        """Return the rows of a table that was made before.

        Raises
        ------
        DataFileError
            When it is missing or has other columns.
        """
        return read_table(self.table(name), DECLARED[name].columns)


@dataclass(frozen=True)
class Made:
    """A table that was made.

    Attributes
    ----------
    rows
        By column; or a frame whose columns begin with those that are declared.
    made_from
        The data behind it.
    title
        Its caption, where that depends on the data.
    shown
        The readable version, where it is not made from the rows.
    plain_text
        A version for terminals; empty for most.
    """

    rows: Sequence[Mapping[str, Any]] | pd.DataFrame
    made_from: MadeFrom
    title: str = ""
    shown: pd.DataFrame | None = None
    plain_text: str = ""


@dataclass(frozen=True)
class Table:
    """What is known of a table, or of several of one form, before it is made.

    Attributes
    ----------
    name
        That of its files. A form of several tables has the name of its function; ``names`` gives
        theirs.
    module
        Where it is declared, for code hashes.
    make
        Makes it: from the inputs, and of several tables from the name of one.
    title, columns, show, once
        Its caption; the columns of the CSV file; what makes the readable version; which of that
        version's columns are told in the caption where all rows say the same.
    reads, after, of
        Kinds of files and names of tables that it is made from, and of what: the run, the sample
        that others scored, several spaces, several seeds of one, one space.
    settings
        Names of the :class:`~trainfree.analysis.settings.AnalysisSettings` that decide it.
    target
        What asks the workflow for it; :data:`RUN` for what every run makes.
    place
        Section and rank on the page.
    copied
        Whether ``trainfree publish-tables`` copies it for the repository.
    names
        The names of several tables of one form, from the papers' numbers. Tables of one space
        have its name behind their own.
    suffixes
        Of its files.
    memory_mb, minutes
        What a batch system is asked for.
    """

    name: str
    module: str
    make: Callable[..., Made]
    title: str
    columns: tuple[Column, ...]
    show: Callable[[pd.DataFrame], pd.DataFrame]
    once: tuple[str, ...]
    reads: tuple[Kind, ...]
    after: tuple[str, ...]
    of: Of
    settings: tuple[str, ...]
    target: str
    place: Place
    copied: bool
    names: Callable[[Sequence[Published]], list[str]] | None
    suffixes: tuple[str, ...]
    memory_mb: int
    minutes: int

    def names_of(self, papers: Sequence[Published]) -> list[str]:
        """Return the names of its files: its own, or those of several tables of its form."""
        if self.of == "space":
            return []
        return [self.name] if self.names is None else self.names(papers)

    def is_named(self, name: str, papers: Sequence[Published]) -> bool:
        """Whether a file of that name is of this form."""
        if self.of == "space":
            return name.startswith(f"{self.name}-")
        return name in self.names_of(papers)


DECLARED: dict[str, Table] = {}


def table(
    *,
    title: str,
    columns: Sequence[Column],
    shown: Mapping[str, Cell] | Callable[[pd.DataFrame], pd.DataFrame],
    reads: Sequence[Kind],
    section: str,
    rank: int = 100,
    once: Sequence[str] = (),
    after: Sequence[str] = (),
    of: Of = "run",
    settings: Sequence[str] = (),
    target: str = RUN,
    copied: bool = False,
    names: Callable[[Sequence[Published]], list[str]] | None = None,
    plain_text: bool = False,
    memory_mb: int = 2000,
    minutes: int = 10,
) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Declare a function as what makes the table of its name; see :class:`Table`.

    Parameters
    ----------
    shown
        The columns of the readable version by their titles, each a format of
        :mod:`trainfree.analysis.formats`; or a function from the frame to that version.
    section, rank
        Its place on the page: a section of :mod:`trainfree.report.page.sections`, and its rank
        there; those of one rank stand in the order of their names.
    plain_text
        Whether it has a version for terminals.
    """

    def declare(make: Callable[..., Made]) -> Callable[..., Made]:
        DECLARED[make.__name__] = Table(
            name=make.__name__,
            module=make.__module__,
            make=make,
            title=title,
            columns=tuple(columns),
            show=shown_as(shown) if isinstance(shown, Mapping) else shown,
            once=tuple(once),
            reads=tuple(reads),
            after=tuple(after),
            of=of,
            settings=tuple(settings),
            target=target,
            place=Place(section, rank),
            copied=copied,
            names=names,
            suffixes=(*SUFFIXES, ".txt") if plain_text else SUFFIXES,
            memory_mb=memory_mb,
            minutes=minutes,
        )
        return make

    return declare
