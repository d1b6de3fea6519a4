"""A configured run in its folder: which files it has or will have, and which jobs make them.

What the configuration says is derived in ``trainfree.workflow``, where the rules have it from too.
Which job makes which files stands in ``rules/`` and here; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainfree.analysis.registry import tables_of
from trainfree.config import Config
from trainfree.scoring.settings.setting import Setting
from trainfree.search.plan import SearchPlan
from trainfree.sources.delivery import SourceSettings
from trainfree.workflow.figures import figures_of
from trainfree.workflow.paths import IMAGES
from trainfree.workflow.runs import ConfiguredRun


@dataclass(frozen=True)
class Run:
    """A configured run in its folder.

    Attributes
    ----------
    configured
        What follows from the configuration.
    configuration
        The configuration files, later ones win.
    folder
        Where ``data/``, ``results/`` and ``logs/`` lie.
    sources
        What the user said about the sources of data.
    paper_tables
        Names of the tables that stand beside published ones.
    """

    configured: ConfiguredRun
    configuration: tuple[Path, ...]
    folder: Path
    sources: SourceSettings
    paper_tables: Sequence[str] = ()

    @property
    def config(self) -> Config:
        """The checked configuration."""
        return self.configured.config

    @property
    def name(self) -> str:
        """That of the configuration's own folder in ``results/`` and ``logs/``."""
        return self.config.run

    @property
    def space(self) -> str:
        """The search space."""
        return self.configured.space

    @property
    def settings(self) -> Mapping[str, Setting]:
        """What decides the scores, by data set."""
        return self.configured.settings

    @property
    def searches(self) -> Mapping[str, SearchPlan]:
        """The plans of the searches by name."""
        return self.configured.searches

    @property
    def results(self) -> Path:
        """The folder of what this configuration makes."""
        return self.folder / self.configured.paths.results

    @property
    def logs(self) -> Path:
        """The folder of its jobs' logs."""
        return self.folder / self.configured.paths.logs

    @property
    def benchmark(self) -> Path:
        """The file of trained accuracies."""
        return self.folder / self.configured.benchmark

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / self.configured.paths.report

    def images(self, dataset: str) -> Path:
        """Return the file of prepared images of a data set."""
        return self.folder / IMAGES.format(dataset=dataset)

    def scores(self, dataset: str) -> Path:
        """Return the merged scores of a data set."""
        return self.folder / self.configured.scores(self.settings[dataset])

    def shards(self, dataset: str) -> list[Path]:
        """Return the shards of a data set in the order of their architectures."""
        return [self.folder / path for path in self.configured.shards(self.settings[dataset])]

    def search(self, dataset: str, name: str) -> Path:
        """Return the file of a search."""
        return self.folder / self.configured.search(dataset, name)

    def kernels(self, dataset: str) -> Path:
        """Return the file of the kernels that are drawn of a data set."""
        pattern = self.configured.paths.kernels
        return self.folder / pattern.format(space=self.space, dataset=dataset)

    def kernels_choice(self, dataset: str) -> Path:
        """Return the file of the architectures whose kernels are drawn."""
        pattern = self.configured.paths.choice
        place = pattern.format(study="kernels", space=self.space, dataset=dataset)
        return self.folder / place

    def figure(self, name: str) -> list[Path]:
        """Return all files of a figure."""
        return [self.folder / path for path in self.configured.paths.figure_files(name)]


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
    shown = list(_shown_jobs(run, made))
    page = [run.report]
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
    configured = run.configured
    named = [(dataset, dataset, setting) for dataset, setting in run.settings.items()]
    named += [
        (f"{setting.dataset} board, seed {setting.seed}", setting.dataset, setting)
        for setting in configured.board_alone
    ]
    shards = [[run.folder / path for path in configured.shards(each)] for _, _, each in named]
    for (title, dataset, setting), paths in zip(named, shards, strict=True):
        where = f"{run.space}/{dataset}/{setting.name}"
        for path in paths:
            place, name = f"score_shard/{where}/{path.stem}", f"{title} {path.stem}"
            yield _job(run, "shards", name, place, [path], [run.images(dataset)])
    for (title, dataset, setting), paths in zip(named, shards, strict=True):
        place = f"merge_scores/{run.space}/{dataset}/{setting.name}"
        outputs = [run.folder / configured.scores(setting)]
        yield _job(run, "scores", title, place, outputs, paths)


def _search_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        for name, plan in run.searches.items():
            inputs = [run.benchmark, *([run.scores(dataset)] if plan.proxies else [])]
            place = f"search/{run.space}/{dataset}/{name}"
            outputs = [run.search(dataset, name)]
            yield _job(run, "searches", f"{dataset} {name}", place, outputs, inputs)


def _kernel_jobs(run: Run) -> Iterator[Job]:
    for dataset in run.settings:
        where, kernels = f"{run.space}/{dataset}", run.kernels(dataset)
        chosen = [run.kernels_choice(dataset)]
        place, name = f"choose_kernels/{where}", f"{dataset} architectures"
        yield _job(run, "kernels", name, place, chosen, [run.benchmark])
        inputs = [*chosen, run.images(dataset)]
        yield _job(run, "kernels", dataset, f"store_kernels/{where}", [kernels], inputs)


def _shown_jobs(run: Run, data: Sequence[Path]) -> Iterator[Job]:
    """Yield what makes tables and figures."""
    for table in tables_of():
        names = [table.name] if table.names is None else run.paper_tables
        for name in names:
            outputs = [run.results / "tables" / f"{name}{suffix}" for suffix in table.suffixes]
            yield _job(run, "tables", name, f"tabulate_{table.name}", outputs, data)
    for name, place in figures_of(run.configured):
        kernels = [run.kernels(d) for d in run.settings if place == f"plot_kernels/{run.space}/{d}"]
        yield _job(run, "figures", name, place, run.figure(name), kernels or data)
