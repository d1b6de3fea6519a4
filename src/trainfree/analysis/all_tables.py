"""Every table of a run from the files that exist: what a partly available run can give.

The workflow makes each table by a rule of its own, which needs all its inputs. This is the same
code on whatever is there; cells that lack their input are named in the tables and on the log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from trainfree.analysis.inputs import read_benchmark, read_scores, score_settings, targets
from trainfree.analysis.overview.scoreboard import tabulate_scoreboard
from trainfree.analysis.overview.summary import summarize
from trainfree.analysis.papers.comparison import tabulate_published
from trainfree.analysis.papers.kendall import tabulate_kendall
from trainfree.analysis.papers.pearson_12_epochs import tabulate_pearson
from trainfree.analysis.papers.tau_sensitivity import tabulate_tau_sensitivity
from trainfree.analysis.proxies.correlations import tabulate_correlations
from trainfree.analysis.proxies.timing import tabulate_timing
from trainfree.analysis.published import Published, read_published, table_names
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.searches.ranks import tabulate_ranks
from trainfree.analysis.searches.regret import tabulate_regret
from trainfree.analysis.searches.search import tabulate_search
from trainfree.analysis.searches.significance import tabulate_significance
from trainfree.analysis.settings import AnalysisSettings
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header

LOG = logging.getLogger(__name__)


Job = Callable[[], object]
WITH_PUBLISHED: dict[
    str, Callable[[RunFiles, Sequence[Published], AnalysisSettings, Path], pd.DataFrame]
] = {
    "kendall": tabulate_kendall,
    "tau_sensitivity": tabulate_tau_sensitivity,
    "pearson_12_epochs": tabulate_pearson,
}
OF_SEARCHES: dict[str, Callable[[RunFiles, Path], pd.DataFrame]] = {
    "significance": tabulate_significance,
    "ranks": tabulate_ranks,
    "regret": tabulate_regret,
}


@dataclass(frozen=True)
class Files:
    """The files of a run, there or not.

    Attributes
    ----------
    scores, searches
        Merged scores, search files.
    benchmark
        Trained accuracies.
    published
        ``reports/published/*.yaml``; the first one stands in the general tables.
    """

    scores: tuple[Path, ...]
    searches: tuple[Path, ...]
    benchmark: Path
    published: tuple[Path, ...]


def tabulate_all(files: Files, folder: Path, settings: AnalysisSettings) -> list[str]:
    """Write every table that can be made and return their names.

    Raises
    ------
    DataFileError
        When none of the inputs is there or readable, or the published numbers are malformed.
    """
    present = _present(files)
    run = RunFiles(present.scores, present.searches, present.benchmark, leave_out=True)
    if run.is_empty:
        raise DataFileError(
            f"no table can be made: none of {len(files.scores)} scores files, "
            f"{len(files.searches)} search files and {files.benchmark} is there and readable; "
            "run the workflow first, or name its folder with --results"
        )
    usable = replace(
        present,
        scores=tuple(_with_accuracies(present)),
        searches=tuple(run.search_files),
    )
    made = []
    for name, make in _jobs(usable, run, folder, settings):
        try:
            make()
        except DataFileError as error:
            LOG.warning("%s: not made: %s", name, error)
        else:
            made.append(name)
    if not made:
        raise DataFileError("no table could be made; the reasons are above")
    return made


def unusable_files(files: Files) -> list[str]:
    """Return why files that are there cannot be used, one sentence a file."""
    kinds = {
        "scores": files.scores,
        "search": files.searches,
        "benchmark": (files.benchmark,),
    }
    found = []
    for kind, paths in kinds.items():
        for path in paths:
            try:
                if os.path.lexists(path):
                    read_header(path, kind)
            except DataFileError as error:
                found.append(str(error))
    return found


def tabulate_one(
    name: str,
    run: RunFiles,
    published: Sequence[Published],
    settings: AnalysisSettings,
    output_stem: Path,
) -> pd.DataFrame:
    """Write one of the tables about the papers' experiments, by its name.

    Raises
    ------
    DataFileError
        When there is no such table or it cannot be written.
    """
    if name in WITH_PUBLISHED:
        return WITH_PUBLISHED[name](run, published, settings, output_stem)
    if name in OF_SEARCHES:
        return OF_SEARCHES[name](run, output_stem)
    return tabulate_published(run, name, published, settings, output_stem)


def _jobs(
    files: Files, run: RunFiles, folder: Path, settings: AnalysisSettings
) -> Iterator[tuple[str, Job]]:
    """Yield the tables in the order in which they need each other."""
    papers = [read_published(path) for path in files.published]
    printed = list(table_names(papers))
    yield from _general(files, folder, settings)
    for name in (*printed, *WITH_PUBLISHED, *OF_SEARCHES):
        yield name, partial(tabulate_one, name, run, papers, settings, folder / name)
    comparisons = [folder / f"{name}.csv" for name in printed]
    yield "scoreboard", partial(tabulate_scoreboard, comparisons, folder)
    yield "summary", partial(_summarize, files, folder)


def _summarize(files: Files, folder: Path) -> str:
    correlations, search, timing, scoreboard = (
        folder / f"{name}.csv" for name in ("correlations", "search", "timing", "scoreboard")
    )
    return summarize(
        correlations,
        search,
        timing,
        scoreboard,
        files.scores,
        files.benchmark,
        folder / "summary",
    )


def _general(files: Files, folder: Path, settings: AnalysisSettings) -> Iterator[tuple[str, Job]]:
    """Yield the tables that are not about a paper."""
    beside = files.published[0]
    scores = list(files.scores)
    if scores:
        yield (
            "correlations",
            partial(
                tabulate_correlations,
                scores,
                files.benchmark,
                folder / "correlations",
                settings.bootstrap_resamples,
                settings.seed,
                beside,
            ),
        )
        yield "timing", partial(tabulate_timing, scores, folder / "timing", beside)
    if files.searches:
        yield "search", partial(tabulate_search, files.searches, folder / "search", beside)


def _present(files: Files) -> Files:
    """Return the files that exist; name the others on the log."""
    for path in (*files.scores, *files.searches, files.benchmark):
        if not path.is_file():
            LOG.warning("absent: %s", path)
    return replace(
        files,
        scores=tuple(path for path in files.scores if path.is_file()),
        searches=tuple(path for path in files.searches if path.is_file()),
    )


def _with_accuracies(files: Files) -> list[Path]:
    """Return the scores files that can be read and whose data set has trained accuracies."""
    usable = []
    for path in files.scores:
        try:
            dataset = score_settings(read_scores(path), path)["dataset"]
            targets(read_benchmark(files.benchmark), dataset, files.benchmark)
        except DataFileError as error:
            LOG.warning("left out: %s", error)
        else:
            usable.append(path)
    return usable
