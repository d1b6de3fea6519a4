"""What the terminal commands need to know of a configuration: which files a run has or will have.

The list of jobs is the workflow's (``rules/``) in another form; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.scoring.setting import Setting, shard_ranges
from trainfree.search.plan import SearchPlan
from trainfree.sources.delivery import SourceSettings
from trainfree.spaces import load_space

GENERAL_TABLES = ("correlations", "search", "timing")
FURTHER_TABLES = (
    *("kendall", "tau_sensitivity", "pearson_12_epochs"),
    *("significance", "ranks", "regret"),
)
TABLE_SUFFIXES = (".csv", ".md", ".tex")
FIGURE_SUFFIXES = (".svg", ".png")


@dataclass(frozen=True)
class Run:
    """A configured run.

    Attributes
    ----------
    configuration
        The configuration files, later ones win.
    folder
        Where ``data/``, ``results/`` and ``logs/`` lie.
    space, seed, shard_size, device
        As configured.
    settings
        What decides the scores, by data set.
    plans
        The searches by name.
    order, sources
        Sources in the order in which they are tried, and what the user said about them.
    paper_tables
        Names of the tables that stand beside published ones.
    """

    configuration: tuple[Path, ...]
    folder: Path
    space: str
    seed: int
    shard_size: int
    device: str
    settings: Mapping[str, Setting]
    plans: Mapping[str, SearchPlan]
    order: Sequence[str]
    sources: SourceSettings
    paper_tables: Sequence[str] = field(default=())

    @property
    def benchmark(self) -> Path:
        """The file of trained accuracies."""
        return self.folder / "data" / "benchmarks" / f"{self.space}.h5"

    def images(self, dataset: str) -> Path:
        """Return the file of prepared images of a data set."""
        return self.folder / "data" / "images" / f"{dataset}.h5"

    def scores(self, dataset: str) -> Path:
        """Return the merged scores of a data set."""
        name = f"{self.settings[dataset].name}.h5"
        return self.folder / "results" / "scores" / self.space / dataset / name

    def shards(self, dataset: str) -> list[Path]:
        """Return the shards of a data set in the order of their architectures."""
        folder = self.scores(dataset).with_suffix("") / "shards"
        names = shard_ranges(len(load_space(self.space)), self.shard_size)
        return [folder / f"{name}.h5" for name in names]


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes
    ----------
    stage, name
        What it makes: a stage of the run, and which part of the stage.
    outputs
        The files it makes.
    log, cost
        Its log, and the table of seconds and memory that Snakemake writes when it has ended well.
    """

    stage: str
    name: str
    outputs: tuple[Path, ...]
    log: Path
    cost: Path


def jobs_of(run: Run) -> list[Job]:
    """Return all jobs of a run, stage by stage."""
    return [*_input_jobs(run), *_score_jobs(run), *_search_jobs(run), *_report_jobs(run)]


def _job(run: Run, stage: str, name: str, place: str, *outputs: Path) -> Job:
    log = run.folder / "logs" / f"{place}.log"
    cost = run.folder / "logs" / "benchmarks" / f"{place}.tsv"
    return Job(stage, name, outputs, log, cost)


def _input_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        yield _job(run, "images", dataset, f"prepare_images/{dataset}", run.images(dataset))
    place = f"prepare_benchmark/{run.space}"
    yield _job(run, "accuracies", run.space, place, run.benchmark)


def _score_jobs(run: Run) -> Iterator[Job]:
    for dataset, setting in run.settings.items():
        where = f"{run.space}/{dataset}/{setting.name}"
        for path in run.shards(dataset):
            place = f"score_shard/{where}/{path.stem}"
            yield _job(run, "shards", f"{dataset} {path.stem}", place, path)
    for dataset, setting in run.settings.items():
        place = f"merge_scores/{run.space}/{dataset}/{setting.name}"
        yield _job(run, "scores", dataset, place, run.scores(dataset))


def _search_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        for name in run.plans:
            where = f"{run.space}/{dataset}/{name}"
            output = run.folder / "results" / "search" / f"{where}.h5"
            yield _job(run, "searches", f"{dataset} {name}", f"search/{where}", output)


def _report_jobs(run: Run) -> Iterator[Job]:
    results = run.folder / "results"
    for name in GENERAL_TABLES:
        yield _job(run, "tables", name, f"tabulate_{name}", *_table(results, name))
    for name in (*run.paper_tables, *FURTHER_TABLES):
        yield _job(run, "tables", name, f"tabulate_paper/{name}", *_table(results, name))
    board = [*_table(results, "scoreboard"), *_table(results, "published")]
    yield _job(run, "tables", "scoreboard", "scoreboard", *board)
    summary = [*_table(results, "summary"), results / "tables" / "summary.txt"]
    yield _job(run, "tables", "summary", "summarize", *summary)
    for dataset in run.settings:
        for proxy in dict.fromkeys(name for plan in run.plans.values() for name in plan.proxies):
            name = f"scores-{run.space}-{dataset}-{proxy}"
            place = f"plot_scores/{run.space}/{dataset}/{proxy}"
            yield _job(run, "figures", name, place, *_figure(results, name))
        name = f"search-{run.space}-{dataset}"
        place = f"plot_search/{run.space}/{dataset}"
        yield _job(run, "figures", name, place, *_figure(results, name))
    yield _job(run, "report", "index.html", "write_report", results / "report" / "index.html")


def _table(results: Path, name: str) -> list[Path]:
    return [results / "tables" / f"{name}{suffix}" for suffix in TABLE_SUFFIXES]


def _figure(results: Path, name: str) -> list[Path]:
    return [results / "figures" / f"{name}{suffix}" for suffix in FIGURE_SUFFIXES]
