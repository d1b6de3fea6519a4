"""The data files of a run, as far as they are there: what a table asks for, or why it is absent.

Files are opened lazily, one variable at a time, because traces of all searches together would not
fit the memory that tables are allowed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    floats,
    read_benchmark,
    read_scores,
    score_settings,
    stand_in_of,
    status_names,
    target_of,
    targets,
    texts,
)
from trainfree.analysis.origins import MadeFrom
from trainfree.analysis.papers.sharing import SharedFiles
from trainfree.analysis.published import Measure
from trainfree.errors import DataFileError
from trainfree.files.storage import open_dataset
from trainfree.trainings import ACCURACY, EVALUATIONS, TRAINING_SECONDS, Outcome, budget_kind

if TYPE_CHECKING:
    import xarray as xr

LOG = logging.getLogger(__name__)
T = TypeVar("T")
IMAGE_FREE = (ACCURACY, "synflow", "params", "flops", "relu_units")
"""Signals that no image enters."""

FEWEST_PAIRS = 3
SEARCH_KEYS = ("space", "dataset", "algorithm", "signal", "headline_outcome")


class AbsentError(DataFileError):
    """What a cell needs is not there; the message says what."""


class RunFiles:
    """Scores, searches and trained accuracies of one run.

    Parameters
    ----------
    scores, searches, shared
        Files; those that are not there are named on the log and left out.
    benchmark
        The benchmark file, or None.
    leave_out
        Leave out files that cannot be used too; otherwise they are errors, because ranks, tests
        and cells would change without one.
    """

    def __init__(
        self,
        scores: Sequence[Path],
        searches: Sequence[Path],
        benchmark: Path | None,
        shared: Sequence[Path] = (),
        *,
        leave_out: bool = False,
    ) -> None:
        self._leave_out = leave_out
        self._score_paths = tuple(scores)
        self._search_paths = tuple(searches)
        self._benchmark_path = benchmark
        self.shared = SharedFiles(tuple(shared), self._may_lack)
        self._accuracy: dict[str, pd.Series] = {}
        self._once: dict[Hashable, Any] = {}

    @cached_property
    def score_files(self) -> dict[str, xr.Dataset]:
        """Scores by data set; the first file of a data set counts."""
        found: dict[str, xr.Dataset] = {}
        for path in self._score_paths:
            try:
                scored = read_scores(path)
                found.setdefault(score_settings(scored, path)["dataset"], scored)
            except DataFileError as error:
                self._may_lack(path, error)
        return found

    @cached_property
    def search_files(self) -> dict[Path, xr.Dataset]:
        """Search files, opened, in the order given."""
        found = {}
        for path in self._search_paths:
            try:
                search = open_dataset(path, "search")
            except DataFileError as error:
                self._may_lack(path, error)
                continue
            lacking = [key for key in SEARCH_KEYS if key not in search.attrs]
            if lacking:
                LOG.warning("left out: %s: lacks the attribute %s", path, ", ".join(lacking))
                continue
            found[path] = search
        return found

    def _may_lack(self, path: Path, error: DataFileError) -> None:
        """Name a file on the log that is left out, or raise the error that keeps it from use."""
        if not self._leave_out and os.path.lexists(path):
            raise error
        LOG.warning("left out: %s", error)

    @property
    def searches(self) -> list[xr.Dataset]:
        """The usable searches."""
        return list(self.search_files.values())

    @cached_property
    def benchmark(self) -> xr.Dataset:
        """The trained accuracies.

        Raises
        ------
        AbsentError
            When there are none.
        """
        if self._benchmark_path is None:
            raise AbsentError("no trained accuracies")
        try:
            return read_benchmark(self._benchmark_path)
        except DataFileError as error:
            self._may_lack(self._benchmark_path, error)
            raise AbsentError(f"no trained accuracies ({error})") from error

    @property
    def is_empty(self) -> bool:
        """Whether no file at all can be used."""
        try:
            has_benchmark = bool(self.benchmark.sizes)
        except AbsentError:
            has_benchmark = False
        return not (has_benchmark or self.score_files or self.searches)

    @property
    def space(self) -> str:
        """The space of the trained accuracies, empty where their file does not say."""
        return str(self.benchmark.attrs.get("space", ""))

    def require_space(self, space: str) -> None:
        """Raise AbsentError when the run is of another space or on generated accuracies."""
        attributes = self.benchmark.attrs
        found = str(attributes.get("space", space))
        if found != space:
            raise AbsentError(f"the run is of the space {found}, not of {space}")
        if attributes.get("source") == "generated":
            raise AbsentError("generated accuracies, nothing was trained")

    def is_of(self, space: str) -> bool:
        """Whether the run's accuracies are of a space."""
        with suppress(AbsentError):
            return self.space == space
        return False

    def scores(self, dataset: str) -> xr.Dataset:
        """Return the scores on a data set, or raise AbsentError."""
        if dataset not in self.score_files:
            raise AbsentError(f"no scores on {dataset}")
        return self.score_files[dataset]

    def score(self, dataset: str, proxy: str) -> pd.Series:
        """Return the usable scores of a proxy by architecture; NaN where scoring failed."""
        scored = self.scores(dataset)
        if proxy not in texts(scored["proxy"]):
            raise AbsentError(f"no scores of {proxy} on {dataset}")
        values = floats(scored["score"].sel(proxy=proxy)).copy()
        values[~np.isin(status_names(scored, proxy), USABLE_STATUSES)] = np.nan
        values[np.isposinf(values)] = np.nan
        return pd.Series(values, index=pd.Index(texts(scored["architecture"])))

    def accuracy(self, outcome: str) -> pd.Series:
        """Return trained accuracies, ``<data set>/<split>/<epochs>``, by architecture."""
        if outcome not in self._accuracy:
            target = target_of(self.benchmark, Outcome.of_label(outcome))
            if target is None:
                lost = str(self.benchmark.attrs.get("missing", ""))
                hint = f" ({lost} could not be had when {self._benchmark_path} was made)"
                raise AbsentError(f"no accuracies {outcome}{hint if lost else ''}")
            self._accuracy[outcome] = target.accuracy
        return self._accuracy[outcome]

    def headline(self, dataset: str) -> str:
        """Return the outcome that tables report first for an image set.

        Raises
        ------
        DataFileError
            When there are no accuracies for it.
        """
        return targets(self.benchmark, dataset, self._benchmark_path or Path())[0].name

    def pairs(self, dataset: str, proxy: str, outcome: str) -> pd.DataFrame:
        """Return score and accuracy of each architecture that has both, by architecture."""
        score = self.score(dataset, proxy)
        accuracy = self.accuracy(outcome).reindex(score.index)
        both = pd.DataFrame({"score": score, "accuracy": accuracy}).dropna()
        if both.empty:
            raise AbsentError(f"no architecture has a score of {proxy} and {outcome}")
        return both

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, made once for a key: several tables need the same draws."""
        if key not in self._once:
            self._once[key] = make()
        return cast(T, self._once[key])

    def proxies(self, kind: str, space: str, dataset: str, outcome: str) -> list[str]:
        """Return the proxies that can be compared with an outcome; names the others on the log.

        None where the scores, the accuracies or the space are others.

        Parameters
        ----------
        kind
            What they are compared by, for the log.
        space, dataset
            The space and the image set that have to be scored.
        outcome
            ``<data set>/<split>/<epochs>``.
        """
        try:
            self.require_space(space)
            self.accuracy(outcome)
            names = texts(self.scores(dataset)["proxy"])
        except AbsentError as absent:
            LOG.warning("no %s on %s: %s", kind, dataset, absent)
            return []
        found = []
        for proxy in names:
            try:
                if len(self.pairs(dataset, proxy, outcome)) >= FEWEST_PAIRS:
                    found.append(proxy)
                    continue
                LOG.warning("%s on %s: fewer than %d scores", proxy, dataset, FEWEST_PAIRS)
            except AbsentError as absent:
                LOG.warning("%s", absent)
        return found

    def search(self, measure: Measure) -> xr.Dataset:
        """Return the search that a measure names, the one with the most runs if there are more.

        Raises
        ------
        AbsentError
            When there is none, or it was not read out at that budget.
        """
        wanted = {
            key: getattr(measure, key)
            for key in ("dataset", "search", "algorithm", "signal", "proxy", "preset")
            if getattr(measure, key)
        }
        described = " ".join(wanted.values())
        found = [s for s in self.searches if all(s.attrs.get(k) == v for k, v in wanted.items())]
        if not found:
            raise AbsentError(f"no search {described}")
        fitting = [s for s in found if _has_budget(s, measure)]
        if not fitting:
            unit = "s" if measure.budget_kind == TRAINING_SECONDS else EVALUATIONS
            raise AbsentError(f"no search {described} with {measure.budget} {unit}")
        return max(fitting, key=lambda search: search.sizes["run"])

    def data_line(
        self, space: str = "", scores: bool = True, searches: bool = True, shared: bool = False
    ) -> MadeFrom:
        """Return what the files hold, for captions, and which they are.

        Parameters
        ----------
        space
            Only files of this space; of every one if empty.
        scores, searches, shared
            Whether to tell of scores, of searches, of shared weights.
        """
        files = [
            *(self.score_files.values() if scores else []),
            *(self.searches if searches else []),
            *(file for each in self.shared.trainings if shared for file in each.files),
        ]
        with suppress(AbsentError):
            files.append(self.benchmark)
        chosen = (f for f in files if not space or f.attrs.get("space") == space)
        return data_line(chosen, apart="space" if space else "")

    def stand_in(self, dataset: str) -> str:
        """Return what stands in for the images that were scored; empty for real ones."""
        return stand_in_of(self.scores(dataset).attrs)


def uses_images(signal: str) -> bool:
    """Tell whether images enter a signal."""
    return signal not in IMAGE_FREE


def search_title(search: xr.Dataset) -> str:
    """Return what a search is called in every table and figure: its name in the configuration.

    No two searches of a run have the same one. A file without it is called what it consists of.
    """
    given = search.attrs.get("search")
    return str(given or f"{search.attrs['algorithm']}-{search.attrs['signal']}")


def _has_budget(search: Any, measure: Measure) -> bool:
    return (
        budget_kind(search.attrs) == measure.budget_kind
        and measure.budget in search["budget"].to_numpy()
    )
