"""Which published τ or r stands beside which measured one, and how.

Nothing else compares them: tables and figures ask here for their rows and take the published
number, the obstacle and the verdict from the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from trainfree.analysis.papers.draws import Correlated
from trainfree.analysis.papers.measures import Measured, verdict_on
from trainfree.analysis.papers.protocol import as_readable, obstacle_of, setting_of
from trainfree.analysis.published import (
    Cell,
    Measure,
    Published,
    PublishedTable,
    as_published,
    comparable,
)
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.errors import DataFileError
from trainfree.trainings import UNSTATED

LOG = logging.getLogger(__name__)
OTHER_ARCHITECTURES = "all architectures instead of at most 1,000; see the table kendall"
Kind = Literal["tau", "pearson"]


@dataclass(frozen=True)
class PublishedCorrelation:
    """A published τ or r.

    Attributes
    ----------
    table
        Where it is printed.
    cell, measure
        The number, and what of ours stands beside it.
    """

    table: PublishedTable
    cell: Cell
    measure: Measure

    @property
    def space(self) -> str:
        """The space that it is about."""
        return self.measure.space or self.table.space

    @property
    def correlated(self) -> Correlated:
        """Which scores and accuracies the paper compares."""
        return Correlated(self.measure.dataset, self.measure.signal, self.measure.outcome)

    def comparable(self, space: str, of: Correlated) -> str | None:
        """Return how it stands beside a measured one over all architectures that have a score.

        Returns
        -------
        str or None
            ``yes``, ``roughly: <reason>`` or ``no: <reason>``. None where it does not stand there
            at all: another space or image set, another proxy, no test accuracy, or other epochs.
        """
        _, split, epochs = of.outcome.split("/")
        own_epochs = self.measure.outcome.rpartition("/")[2]
        if split != "test" or epochs not in (own_epochs, UNSTATED):
            return None
        if (space, of.dataset, as_published(of.proxy)) != (self.space, *self.correlated[:2]):
            return None
        over_all = self.measure.model_copy(update={"remark": OTHER_ARCHITECTURES})
        return comparable(over_all, epochs)

    def obstacle(self, run: RunFiles) -> str:
        """Return why a run's scores cannot stand beside it; empty if they can."""
        return obstacle_of(run, self.measure, self.cell.unit, self.table.batch_size)

    def apart(self, run: RunFiles) -> str:
        """Return what the paper has where a run's setting is another; empty where none is."""
        return setting_of(run, self.measure, self.table.batch_size).paper

    def in_run(self, run: RunFiles) -> PublishedCorrelation:
        """Return it with the accuracies that a run has beside it."""
        return replace(self, measure=as_readable(run, self.measure))

    def columns(
        self, run: RunFiles, measured: Measured, settings: AnalysisSettings
    ) -> dict[str, Any]:
        """Return the columns published, difference, verdict and reason of a row.

        Parameters
        ----------
        measured
            Ours by the paper's protocol.
        """
        verdict = verdict_on(run, self.table, self.cell, self.measure, measured, settings)
        return {
            "published": self.cell.value,
            "difference": measured.value - self.cell.value,
            "verdict": verdict.word,
            "reason": "; ".join(filter(None, (verdict.grade, verdict.reason))),
        }


class Row(NamedTuple):
    """A measured correlation, and the published one beside it if there is one."""

    of: Correlated
    published: PublishedCorrelation | None


def published_correlations(
    papers: Iterable[Published], kind: Kind = "tau"
) -> list[PublishedCorrelation]:
    """Return the papers' correlations of one kind, in their order."""
    return [
        PublishedCorrelation(table, cell, measure)
        for paper in papers
        for table in paper.tables
        for cell, measure in table.cells
        if measure.kind == kind
    ]


def published_beside(
    papers: Iterable[Published], space: str, of: Correlated
) -> tuple[float, str] | None:
    """Return the published τ beside one over all architectures, and how comparable it is."""
    for published in published_correlations(papers):
        if (how := published.comparable(space, of)) is not None:
            return published.cell.value, how
    return None


def published_in(run: RunFiles, papers: Iterable[Published]) -> list[PublishedCorrelation]:
    """Return the published τ of the run's space whose accuracies the run has."""
    found = []
    for printed in published_correlations(papers):
        published = printed.in_run(run)
        try:
            run.require_space(published.space)
            run.accuracy(published.measure.outcome)
        except AbsentError:
            continue
        found.append(published)
    return found


def rows_of(run: RunFiles, papers: Iterable[Published], kind: Kind) -> Iterator[Row]:
    """Yield what a table of correlations by the papers' protocol has rows of.

    For each published number every proxy that was scored on its image set; the published one
    stands beside the proxy that it is of. Absent data have no rows and are named on the log.
    """
    for printed in published_correlations(papers, kind):
        published = printed.in_run(run)
        measure = published.measure
        if measure.space and not run.is_of(measure.space):
            continue
        for proxy in run.proxies(kind, published.space, measure.dataset, measure.outcome):
            of = Correlated(measure.dataset, proxy, measure.outcome)
            yield Row(of, published if of == published.correlated else None)


def rows_with_other_spaces(run: RunFiles, papers: Iterable[Published]) -> Iterator[Row]:
    """Yield the rows of τ, and where nothing is published of the run's space those of its own.

    A space of its own is compared by the accuracies that all tables report first.
    """
    papers = list(papers)
    rows = list(rows_of(run, papers, "tau"))
    yield from rows
    try:
        space = run.space
    except AbsentError:
        return
    printed = published_correlations(papers)
    if rows or space in {one.space for one in printed if not one.measure.space}:
        return
    for dataset in run.score_files:
        try:
            outcome = run.headline(dataset)
        except DataFileError as absent:
            LOG.warning("no tau on %s: %s", dataset, absent)
            continue
        for proxy in run.proxies("tau", space, dataset, outcome):
            yield Row(Correlated(dataset, proxy, outcome), None)
