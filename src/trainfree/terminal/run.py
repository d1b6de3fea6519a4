"""What the terminal commands need to know of a configuration: which files a run has or will have.

The list of jobs is the workflow's (``rules/``) in another form; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.scoring.settings.setting import Setting, shard_ranges
from trainfree.search.plan import SearchPlan
from trainfree.sources.delivery import SourceSettings
from trainfree.spaces import load_space

GENERAL_TABLES = ("correlations", "search", "timing")
FURTHER_TABLES = (
    *("kendall", "tau_sensitivity", "pearson_12_epochs"),
    *("significance", "ranks", "regret"),
)
TABLE_SUFFIXES = (".csv", ".md", ".tex", ".json")
FIGURE_SUFFIXES = (".svg", ".png", ".json")


@dataclass(frozen=True)
class Run:
    """A configured run.

    Attributes
    ----------
    configuration
        The configuration files, later ones win.
    folder
        Where ``data/``, ``results/`` and ``logs/`` lie.
    name
        That of the configuration's own folder in ``results/`` and ``logs/``.
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
    name: str
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
    def results(self) -> Path:
        """The folder of what this configuration makes."""
        return self.folder / "results" / self.name

    @property
    def logs(self) -> Path:
        """The folder of its jobs' logs."""
        return self.folder / "logs" / self.name

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
        return self.results / "scores" / self.space / dataset / name

    def search(self, dataset: str, name: str) -> Path:
        """Return the file of a search."""
        return self.results / "search" / self.space / dataset / f"{name}.h5"

    def kernels(self, dataset: str) -> Path:
        """Return the file of the kernels that are drawn of a data set."""
        return self.results / "kernels" / self.space / dataset / "kernels.h5"

    def shards(self, dataset: str) -> list[Path]:
        """Return the shards of a data set in the order of their architectures."""
        folder = self.scores(dataset).with_suffix("") / "shards"
        size = self.settings[dataset].size(len(load_space(self.space)))
        names = shard_ranges(size, self.shard_size)
        return [folder / f"{name}.h5" for name in names]


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes
    ----------
    stage, name
        What it makes: a stage of the run, and which part of the stage.
    outputs, inputs
        The files it makes, and those it is made of. For tables and figures these are all data
        files of the run, of which some tables read only a part.
    log, cost
        Its log, and the table of seconds and memory that Snakemake writes when it has ended well.
    """

    stage: str
    name: str
    outputs: tuple[Path, ...]
    inputs: tuple[Path, ...]
    log: Path
    cost: Path


def jobs_of(run: Run) -> list[Job]:
    """Return all jobs of a run, stage by stage; none comes before those it is made of."""
    data = [*_input_jobs(run), *_score_jobs(run), *_search_jobs(run)]
    made = [path for job in data if job.stage not in ("images", "shards") for path in job.outputs]
    kernels = list(_kernel_jobs(run))
    shown = [*_shown_jobs(run, made), *_kernel_figures(run)]
    page = [run.results / "report" / "index.html"]
    parts = [path for job in shown for path in job.outputs]
    return [*data, *kernels, *shown, _job(run, "report", "index.html", "write_report", page, parts)]


def _job(
    run: Run,
    stage: str,
    name: str,
    place: str,
    outputs: Sequence[Path],
    inputs: Sequence[Path] = (),
) -> Job:
    log = run.logs / f"{place}.log"
    cost = run.logs / "benchmarks" / f"{place}.tsv"
    return Job(stage, name, tuple(outputs), tuple(inputs), log, cost)


def _input_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        yield _job(run, "images", dataset, f"prepare_images/{dataset}", [run.images(dataset)])
    place = f"prepare_benchmark/{run.space}"
    yield _job(run, "accuracies", run.space, place, [run.benchmark])


def _score_jobs(run: Run) -> Iterator[Job]:
    for dataset, setting in run.settings.items():
        where = f"{run.space}/{dataset}/{setting.name}"
        for path in run.shards(dataset):
            place, name = f"score_shard/{where}/{path.stem}", f"{dataset} {path.stem}"
            yield _job(run, "shards", name, place, [path], [run.images(dataset)])
    for dataset, setting in run.settings.items():
        place = f"merge_scores/{run.space}/{dataset}/{setting.name}"
        yield _job(run, "scores", dataset, place, [run.scores(dataset)], run.shards(dataset))


def _search_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        for name, plan in run.plans.items():
            inputs = [run.benchmark, *([run.scores(dataset)] if plan.proxies else [])]
            place = f"search/{run.space}/{dataset}/{name}"
            outputs = [run.search(dataset, name)]
            yield _job(run, "searches", f"{dataset} {name}", place, outputs, inputs)


def _kernel_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        where, kernels = f"{run.space}/{dataset}", run.kernels(dataset)
        chosen = [kernels.with_name("architectures.h5")]
        place, name = f"choose_kernels/{where}", f"{dataset} architectures"
        yield _job(run, "kernels", name, place, chosen, [run.benchmark])
        inputs = [*chosen, run.images(dataset)]
        yield _job(run, "kernels", dataset, f"store_kernels/{where}", [kernels], inputs)


def _kernel_figures(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        name = f"kernels-{run.space}-{dataset}"
        place, outputs = (
            f"plot_kernels/{run.space}/{dataset}",
            _figure(run.results, name),
        )
        yield _job(run, "figures", name, place, outputs, [run.kernels(dataset)])


def _shown_jobs(run: Run, data: Sequence[Path]) -> Iterator[Job]:
    """Yield what makes tables and figures."""
    results = run.results
    for name in GENERAL_TABLES:
        yield _job(run, "tables", name, f"tabulate_{name}", _table(results, name), data)
    for name in run.paper_tables:
        yield _job(run, "tables", name, "tabulate_published", _table(results, name), data)
    for name in FURTHER_TABLES:
        yield _job(run, "tables", name, f"tabulate_further/{name}", _table(results, name), data)
    board = [*_table(results, "scoreboard"), *_table(results, "published")]
    yield _job(run, "tables", "scoreboard", "scoreboard", board, data)
    summary = [*_table(results, "summary"), results / "tables" / "summary.txt"]
    yield _job(run, "tables", "summary", "summarize", summary, data)
    for dataset in run.settings:
        for proxy in dict.fromkeys(name for plan in run.plans.values() for name in plan.proxies):
            name = f"scores-{run.space}-{dataset}-{proxy}"
            place = f"plot_scores/{run.space}/{dataset}"
            yield _job(run, "figures", name, place, _figure(results, name), data)
        for figure in ("search", "best_so_far"):
            name, place = f"{figure}-{run.space}-{dataset}", f"plot_searches/{run.space}/{dataset}"
            yield _job(run, "figures", name, place, _figure(results, name), data)
    for figure, place in (("score_panels", "plot_score_panels"), ("score_tau", "plot_tau")):
        name = f"{figure}-{run.space}"
        yield _job(run, "figures", name, place, _figure(results, name), data)


def _table(results: Path, name: str) -> list[Path]:
    return [results / "tables" / f"{name}{suffix}" for suffix in TABLE_SUFFIXES]


def _figure(results: Path, name: str) -> list[Path]:
    return [results / "figures" / f"{name}{suffix}" for suffix in FIGURE_SUFFIXES]
