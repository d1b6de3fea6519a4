"""The ``trainfree`` command: one subcommand a job, each a thin call into its room.

Rooms are imported inside the subcommands, so that no command pays for another's libraries.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree import __version__
from trainfree.errors import TrainfreeError

if TYPE_CHECKING:
    from trainfree.analysis.all_tables import Files
    from trainfree.config import Config
    from trainfree.terminal.run import Run

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Handler = Callable[[argparse.Namespace], int | None]
EXIT_USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status.

    0, or what the subcommand says; 2 with a message on standard error for a user's error.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = _parser().parse_args(argv)
    handler: Handler = arguments.handler
    try:
        return handler(arguments) or 0
    except TrainfreeError as error:
        print(f"trainfree: error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trainfree", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--version", action="version", version=f"trainfree {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_config_commands(commands)
    _add_author_commands(commands)
    _add_prepare_commands(commands)
    _add_nasbench101_commands(commands)
    _add_score_commands(commands)
    _add_search_command(commands)
    _add_table_commands(commands)
    _add_report_commands(commands)
    _add_terminal_commands(commands)
    return parser


def _command(commands: Commands, name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=handler)
    return parser


def _add_config_commands(commands: Commands) -> None:
    check = _command(commands, "check-config", _check_config, "check configuration files")
    check.add_argument("files", type=Path, nargs="+", help="YAML files, later ones win")
    _command(commands, "config-schema", _config_schema, "print the JSON Schema of the config")


def _check_config(arguments: argparse.Namespace) -> None:
    from trainfree.config import load_config

    print(load_config(*arguments.files).model_dump_json(indent=2))


def _config_schema(arguments: argparse.Namespace) -> None:
    from trainfree.config import schema_json

    print(schema_json(), end="")


def _add_author_commands(commands: Commands) -> None:
    new = _command(commands, "new-proxy", _new_proxy, "write a proxy to start from, with its test")
    new.add_argument("name")
    new.add_argument("--folder", type=Path, default=Path(), help="where to write it")


def _new_proxy(arguments: argparse.Namespace) -> None:
    from trainfree.proxies.skeleton import write_skeleton

    proxy, test = write_skeleton(arguments.name, arguments.folder)
    print(
        f"wrote {proxy} and {test}\n"
        f"try it:   pytest {test}\n"
        f"use it:   proxies: {{extra: [{proxy}]}} and {arguments.name} in scoring.proxies"
    )


def _add_prepare_commands(commands: Commands) -> None:
    images = _command(commands, "prepare-images", _prepare_images, "fetch and convert images")
    images.add_argument("--dataset", required=True)
    images.add_argument("--seed", type=int, default=0, help="root seed of generated images")
    benchmark = _command(
        commands, "prepare-benchmark", _prepare_benchmark, "fetch and convert trained accuracies"
    )
    benchmark.add_argument("--space", required=True)
    benchmark.add_argument("--nats-archive", help="official NATS-tss folder or .tar")
    independent = _command(
        commands, "prepare-independent", _prepare_independent, "fetch others' proxy scores"
    )
    independent.add_argument("--mirror", help="local copies; TRAINFREE_MIRROR wins")
    independent.add_argument("--output", type=Path, required=True)
    for parser in (images, benchmark):
        parser.add_argument("--order", nargs="+", required=True, help="sources, first to last")
        parser.add_argument("--mirror", help="local copies; TRAINFREE_MIRROR wins")
        parser.add_argument("--timeout", type=float, default=10.0, help="seconds to connect")
        parser.add_argument("--cache", type=Path, required=True, help="folder for downloads")
        parser.add_argument("--output", type=Path, required=True)


def _prepare_images(arguments: argparse.Namespace) -> None:
    from trainfree.images.prepare import prepare_images

    prepare_images(
        arguments.dataset,
        arguments.output,
        order=arguments.order,
        cache=arguments.cache,
        mirror=arguments.mirror,
        timeout=arguments.timeout,
        seed=arguments.seed,
    )


def _prepare_benchmark(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.prepare import prepare_benchmark

    prepare_benchmark(
        arguments.space,
        arguments.output,
        order=arguments.order,
        cache=arguments.cache,
        mirror=arguments.mirror,
        nats_archive=arguments.nats_archive,
        timeout=arguments.timeout,
    )


def _prepare_independent(arguments: argparse.Namespace) -> None:
    from trainfree.sources.independent import prepare_independent

    prepare_independent(arguments.output, arguments.mirror)


def _add_nasbench101_commands(commands: Commands) -> None:
    cells = _command(
        commands, "enumerate-nasbench101", _enumerate_nasbench101, "list and hash all cells"
    )
    prepare = _command(
        commands, "prepare-nasbench101", _prepare_nasbench101, "convert trained accuracies"
    )
    prepare.add_argument(
        "--source", type=Path, required=True, help="official .tfrecord file, or a mirror's .npz"
    )
    landscape = _command(
        commands, "prepare-landscape", _prepare_landscape, "walk through a space, compare cells"
    )
    landscape.add_argument("--walks", type=int, required=True, help="number of random walks")
    landscape.add_argument("--steps", type=int, required=True, help="architectures a walk visits")
    for parser in (cells, prepare, landscape):
        parser.add_argument("--output", type=Path, required=True)
    tables = _command(
        commands, "tabulate-landscape", _tabulate_landscape, "tabulate how accuracy lies in a space"
    )
    tables.add_argument("--landscape", type=Path, required=True)
    tables.add_argument("--published", type=Path, required=True)
    tables.add_argument("--resamples", type=int, required=True)
    tables.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    for parser in (landscape, tables):
        parser.add_argument("--benchmark", type=Path, required=True)
        parser.add_argument("--seed", type=int, required=True)


def _prepare_landscape(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.landscape import prepare_landscape

    prepare_landscape(
        arguments.benchmark,
        arguments.output,
        walks=arguments.walks,
        steps=arguments.steps,
        seed=arguments.seed,
    )


def _tabulate_landscape(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.landscape import tabulate_landscape

    tabulate_landscape(
        arguments.benchmark,
        arguments.landscape,
        arguments.stem,
        resamples=arguments.resamples,
        seed=arguments.seed,
        published=arguments.published,
    )


def _enumerate_nasbench101(arguments: argparse.Namespace) -> None:
    from trainfree.spaces.nasbench101.cells_file import write_cells

    counts = write_cells(arguments.output)
    sizes = ", ".join(f"{count} with {size} vertices" for size, count in counts.items())
    print(f"{sum(counts.values())} cells: {sizes}")


def _prepare_nasbench101(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101

    prepare_nasbench101(arguments.source, arguments.output)


def _add_score_commands(commands: Commands) -> None:
    shard = _command(commands, "score-shard", _score_shard, "score a range of architectures")
    shard.add_argument("--images", type=Path, required=True, help="prepared image set")
    shard.add_argument("--first", type=int, required=True, help="first architecture index")
    shard.add_argument("--last", type=int, required=True, help="last architecture index")
    shard.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    shard.add_argument("--threads", type=int, default=1)
    merge = _command(commands, "merge-scores", _merge_scores, "join shards into one file")
    merge.add_argument("shards", type=Path, nargs="+")
    for parser in (shard, merge):
        parser.add_argument("--setting", required=True, help="scoring setting as JSON")
        parser.add_argument("--output", type=Path, required=True)


def _score_shard(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.devices import device_slot
    from trainfree.scoring.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_slot(arguments.device) as device:
        from trainfree.scoring.shard import score_shard  # torch must see the slot's device only

        score_shard(
            setting,
            arguments.first,
            arguments.last,
            images=arguments.images,
            output=arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _merge_scores(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.merge import merge_shards
    from trainfree.scoring.setting import Setting

    merge_shards(arguments.shards, Setting.from_json(arguments.setting), arguments.output)


def _add_search_command(commands: Commands) -> None:
    parser = _command(commands, "search", _search, "run a search algorithm on stored scores")
    parser.add_argument("--space", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--plan", required=True, help="search plan as JSON")
    parser.add_argument("--scores", type=Path, help="merged scores, where a proxy is used")
    parser.add_argument("--benchmark", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)


def _search(arguments: argparse.Namespace) -> None:
    from trainfree.search.plan import SearchPlan
    from trainfree.search.run import SearchJob, run_search

    run_search(
        SearchJob(
            space=arguments.space,
            dataset=arguments.dataset,
            plan=SearchPlan.from_json(arguments.plan),
            scores=arguments.scores,
            benchmark=arguments.benchmark,
            output=arguments.output,
            seed=arguments.seed,
        )
    )


def _add_table_commands(commands: Commands) -> None:
    names = {
        "tabulate-correlations": (_tabulate_correlations, "correlate scores with accuracy"),
        "tabulate-search": (_tabulate_search, "summarise search runs"),
        "tabulate-timing": (_tabulate_timing, "summarise scoring time"),
        "summarize": (_summarize, "write the summary"),
    }
    parsers = {name: _command(commands, name, *rest) for name, rest in names.items()}
    agreement = _command(
        commands, "tabulate-agreement", _tabulate_agreement, "compare with others' proxy scores"
    )
    agreement.add_argument("--scores", type=Path, nargs=2, required=True, help="of two seeds")
    agreement.add_argument("--benchmark", type=Path, required=True)
    agreement.add_argument("--independent", type=Path, required=True)
    proxies = _command(commands, "tabulate-proxies", _tabulate_proxies, "compare the proxies")
    proxies.add_argument("--scores", type=Path, nargs="+", required=True)
    proxies.add_argument("--benchmark", type=Path, required=True)
    proxies.add_argument("--pairs", type=Path, required=True, help="output path, no suffix")
    for parser in (*parsers.values(), agreement, proxies):
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    for name in ("tabulate-correlations", "tabulate-timing", "summarize"):
        parsers[name].add_argument("--scores", type=Path, nargs="+", required=True)
    for name in ("tabulate-correlations", "summarize"):
        parsers[name].add_argument("--benchmark", type=Path, required=True)
    for name in ("tabulate-correlations", "tabulate-search", "tabulate-timing"):
        parsers[name].add_argument("--published", type=Path, required=True)
    parsers["tabulate-correlations"].add_argument("--resamples", type=int, required=True)
    parsers["tabulate-correlations"].add_argument("--seed", type=int, required=True)
    parsers["tabulate-search"].add_argument("--searches", type=Path, nargs="+", required=True)
    for table in ("correlations", "search", "timing", "scoreboard"):
        parsers["summarize"].add_argument(f"--{table}", type=Path, required=True)
    _add_paper_table_commands(commands)


def _tabulate_correlations(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.correlations import tabulate_correlations

    tabulate_correlations(
        arguments.scores,
        arguments.benchmark,
        arguments.stem,
        resamples=arguments.resamples,
        seed=arguments.seed,
        published=arguments.published,
    )


def _tabulate_search(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.search_table import tabulate_search

    tabulate_search(arguments.searches, arguments.stem, arguments.published)


def _tabulate_timing(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.timing import tabulate_timing

    tabulate_timing(arguments.scores, arguments.stem, arguments.published)


def _summarize(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.summary import summarize

    summarize(
        arguments.correlations,
        arguments.search,
        arguments.timing,
        arguments.scoreboard,
        arguments.scores,
        arguments.benchmark,
        arguments.stem,
    )


def _add_paper_table_commands(commands: Commands) -> None:
    table = _command(commands, "tabulate", _tabulate, "set a paper's table beside ours")
    table.add_argument("name", help="file name of the table, without suffix")
    table.add_argument("--scores", type=Path, nargs="*", default=[])
    table.add_argument("--searches", type=Path, nargs="*", default=[])
    table.add_argument("--benchmark", type=Path)
    table.add_argument("--published", type=Path, nargs="*", default=[])
    table.add_argument("--settings", required=True, help="settings of the tables as JSON")
    table.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    board = _command(commands, "scoreboard", _scoreboard, "count the verdicts")
    board.add_argument("--comparisons", type=Path, nargs="+", required=True)
    board.add_argument("--folder", type=Path, required=True, help="folder of the output")
    every = _command(commands, "tables", _tables, "make every table that the existing files allow")
    copy = _command(commands, "publish-tables", _publish_tables, "copy tables for the repository")
    copy.add_argument("--output", type=Path, default=Path("reports/measured"))
    for parser in (every, copy):
        parser.add_argument("--configfile", type=Path, nargs="+", required=True)
        parser.add_argument("--results", type=Path, default=Path("results"))
        parser.add_argument("--data", type=Path, default=Path("data"))
        parser.add_argument("--published", type=Path, default=Path("reports/published"))


def _tabulate(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.all_tables import tabulate_one
    from trainfree.analysis.published import read_published
    from trainfree.analysis.settings import AnalysisSettings
    from trainfree.analysis.study import Study

    tabulate_one(
        arguments.name,
        Study(arguments.scores, arguments.searches, arguments.benchmark),
        [read_published(path) for path in arguments.published],
        AnalysisSettings.from_json(arguments.settings),
        arguments.stem,
    )


def _scoreboard(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.scoreboard import tabulate_scoreboard

    tabulate_scoreboard(arguments.comparisons, arguments.folder)


def _tables(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.all_tables import tabulate_all
    from trainfree.analysis.settings import AnalysisSettings

    config, files = _run_files(arguments)
    settings = AnalysisSettings.from_json(config.table_settings_json)
    made = tabulate_all(files, arguments.results / "tables", settings)
    print(f"made {len(made)} tables: {', '.join(made)}")


def _publish_tables(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.publish import publish_tables

    _, files = _run_files(arguments)
    names = " ".join(str(path) for path in arguments.configfile)
    publish_tables(
        arguments.results / "tables",
        arguments.output,
        files.published,
        files.scores,
        files.benchmark,
        f"snakemake --configfile {names}",
    )


def _run_files(arguments: argparse.Namespace) -> tuple[Config, Files]:
    """Return the configuration and where the workflow puts the files that tables are made of."""
    from trainfree.analysis.all_tables import Files
    from trainfree.config import load_config

    config = load_config(*arguments.configfile)
    folder = arguments.results
    return config, Files(
        scores=tuple(folder / path for path in config.score_paths()),
        searches=tuple(folder / path for path in config.search_paths()),
        benchmark=arguments.data / "benchmarks" / f"{config.space}.h5",
        published=tuple(sorted(arguments.published.glob("*.yaml"))),
    )


def _tabulate_proxies(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxy_table import tabulate_proxies

    tabulate_proxies(arguments.scores, arguments.benchmark, arguments.stem, arguments.pairs)


def _tabulate_agreement(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxy_agreement import tabulate_agreement

    first, second = arguments.scores
    tabulate_agreement(first, second, arguments.benchmark, arguments.independent, arguments.stem)


def _add_report_commands(commands: Commands) -> None:
    scatter = _command(commands, "plot-scores", _plot_scores, "plot score against accuracy")
    scatter.add_argument("--scores", type=Path, required=True)
    scatter.add_argument("--benchmark", type=Path, required=True)
    scatter.add_argument("--proxy", required=True)
    search = _command(commands, "plot-search", _plot_search, "plot accuracy against search time")
    search.add_argument("--searches", type=Path, nargs="+", required=True)
    for parser in (scatter, search):
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    report = _command(commands, "report", _report, "write the HTML report")
    report.add_argument("--tables", type=Path, required=True, help="folder")
    report.add_argument("--figures", type=Path, required=True, help="folder")
    report.add_argument("--scores", type=Path, nargs="+", required=True)
    report.add_argument("--templates", type=Path, required=True, help="folder")
    report.add_argument("--output", type=Path, required=True)


def _plot_scores(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures import plot_score_accuracy

    plot_score_accuracy(arguments.scores, arguments.benchmark, arguments.proxy, arguments.stem)


def _plot_search(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures import plot_search

    plot_search(arguments.searches, arguments.stem)


def _report(arguments: argparse.Namespace) -> None:
    from trainfree.report.page import render_report

    render_report(
        arguments.tables,
        arguments.figures,
        arguments.output,
        arguments.scores,
        templates=arguments.templates,
    )


def _add_terminal_commands(commands: Commands) -> None:
    status = _command(commands, "status", _status, "say what of a run is done, missing, failed")
    status.add_argument("--all", action="store_true", help="name every job that is not done")
    show = _command(commands, "show", _show, "show one architecture")
    show.add_argument("architecture", help="index, string, codes, names, naslib:… or official:…")
    compare = _command(commands, "compare", _compare, "compare two folders of results")
    compare.add_argument("first", type=Path, help="folder, usually called results")
    compare.add_argument("second", type=Path)
    compare.add_argument("--times", action="store_true", help="measured times count as well")
    doctor = _command(commands, "doctor", _doctor, "check the environment a run needs")
    doctor.add_argument("--offline", action="store_true", help="do not try the network")
    for parser in (status, show, doctor):
        parser.add_argument(
            "--configfile", type=Path, nargs="+", default=[], help="laid over config/config.yaml"
        )
        parser.add_argument("--folder", type=Path, default=Path(), help="of results/, data/, logs/")


def _status(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.status import show_status

    return show_status(_run(arguments), Screen(), every=arguments.all)


def _show(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.show import show_architecture

    show_architecture(arguments.architecture, _run(arguments), Screen())


def _compare(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.compare import compare_results
    from trainfree.terminal.screen import Screen

    return compare_results(arguments.first, arguments.second, Screen(), times=arguments.times)


def _doctor(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.doctor import examine
    from trainfree.terminal.screen import Screen

    return examine(lambda: _run(arguments), arguments.folder, Screen(), offline=arguments.offline)


def _run(arguments: argparse.Namespace) -> Run:
    """Return the run that the workflow would make of the same configuration files."""
    from trainfree.analysis.published import read_published, table_names
    from trainfree.config import load_config
    from trainfree.sources.delivery import source_settings
    from trainfree.terminal.run import Run

    files = (Path("config/config.yaml"), *arguments.configfile)
    config = load_config(*files)
    sources = config.sources
    papers = [read_published(path) for path in sorted(Path("reports/published").glob("*.yaml"))]
    return Run(
        configuration=files,
        folder=arguments.folder,
        space=config.space,
        seed=config.seed,
        shard_size=config.scoring.shard_size,
        device=config.scoring.device,
        settings={dataset: config.scoring_setting(dataset) for dataset in config.datasets},
        plans=config.search.plans(),
        order=sources.order,
        sources=source_settings(sources.mirror, sources.nats_archive, sources.timeout_seconds),
        paper_tables=tuple(table_names(papers)),
    )
