"""Commands for a person at a terminal."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_configfile, add_extra, command, configuration_files

if TYPE_CHECKING:
    from trainfree.cli.command import Commands
    from trainfree.terminal.run import Run


def add_commands(commands: Commands) -> None:
    """Declare them."""
    status = command(commands, "status", _status, "show what is done, missing and failed in a run")
    status.add_argument("--all", action="store_true", help="name every job that is not done")
    status.add_argument(
        "--follow", action="store_true", help="show the run that is going on until it ends"
    )
    show = command(
        commands, "show", _show, "show one architecture: scores, ranks, accuracies, cell"
    )
    show.add_argument("architecture", help="index, string, codes, names, naslib:… or official:…")
    compare = command(commands, "compare", _compare, "compare two folders of results")
    compare.add_argument("first", type=Path, help="results folder")
    compare.add_argument("second", type=Path, help="results folder to compare with")
    compare.add_argument("--times", action="store_true", help="compare measured times as well")
    doctor = command(
        commands, "doctor", _doctor, "check environment, devices, data sources and disk"
    )
    doctor.add_argument("--offline", action="store_true", help="do not use the network")
    for parser in (status, show, doctor):
        add_configfile(parser)
        parser.add_argument(
            "--folder", type=Path, default=Path(), help="folder of results/, data/, logs/"
        )
    _add_ranking(commands)
    merge = command(commands, "merge", _merge, "join results of one run from several machines")
    merge.add_argument("results", type=Path, nargs="+", help="folders of results")
    merge.add_argument("--output", type=Path, required=True, help="new folder of results")
    add_extra(merge)
    cite = command(commands, "cite", _cite, "print BibTeX of what a run used")
    cite.add_argument(
        "results", type=Path, nargs="*", help="folders of results; without one, everything there is"
    )
    cite.add_argument("--output", type=Path, help="write it there (.bib)")


def _add_ranking(commands: Commands) -> None:
    rank = command(commands, "rank", _rank, "compare your own list of scores with the suite's")
    rank.add_argument("scores", type=Path, metavar="CSV", help="a row an architecture, with header")
    rank.add_argument(
        "--architecture", default="", help="column of architectures; default: by its name, or first"
    )
    rank.add_argument("--proxies", nargs="+", default=[], help="columns of scores; default: all")
    rank.add_argument(
        "--lower-is-better", nargs="+", default=[], metavar="COLUMN", help="turn their sign"
    )
    rank.add_argument(
        "--encoding",
        choices=("own", "official", "naslib"),
        default="own",
        help="what bare numbers are: the suite's order, the benchmark's index, NASLib's codes",
    )
    rank.add_argument("--outcome", default="", help="accuracy, for example cifar10/valid/200")
    rank.add_argument("--resamples", type=int, default=0, help="default: by the list's length")
    rank.add_argument("--seed", type=int, default=0, help="of the resamples")
    rank.add_argument(
        "--output", type=Path, nargs="+", default=[], help="files to write too, .csv or .md"
    )
    top = command(commands, "top", _top, "list the best architectures by a proxy")
    top.add_argument("--proxy", required=True)
    top.add_argument("-k", "--count", type=int, default=10, help="how many")
    for parser, option in ((rank, "--against"), (top, "--scores")):
        parser.add_argument("--space", default="nasbench201", help="default: nasbench201")
        parser.add_argument("--dataset", default="", help="image set of the suite's scores")
        parser.add_argument("--benchmark", type=Path, help="prepared file of trained accuracies")
        parser.add_argument(
            option,
            dest="known",
            type=Path,
            nargs="+",
            default=[],
            help="scores files or folders of results; default: the scores that come with trainfree",
        )
        parser.add_argument("--folder", type=Path, default=Path(), help="of data/benchmarks")
        add_extra(parser)


def _status(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.live.follow import follow_run
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.status import show_status

    if arguments.follow:
        follow_run(arguments.folder, Screen())
        return 0
    return show_status(run_of(arguments), Screen(), every=arguments.all)


def _show(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.show import show_architecture

    show_architecture(arguments.architecture, run_of(arguments), Screen())


def _compare(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.compare import compare_results
    from trainfree.terminal.screen import Screen

    return compare_results(arguments.first, arguments.second, Screen(), times=arguments.times)


def _doctor(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.doctor import examine
    from trainfree.terminal.screen import Screen

    return examine(lambda: run_of(arguments), arguments.folder, Screen(), offline=arguments.offline)


def _rank(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.ranking.own_scores import Reading
    from trainfree.terminal.ranking.rank import Request, rank_scores
    from trainfree.terminal.screen import Screen

    reading = Reading(
        arguments.architecture,
        tuple(arguments.proxies),
        tuple(arguments.lower_is_better),
        arguments.encoding,
    )
    request = Request(
        path=arguments.scores,
        space=arguments.space,
        reading=reading,
        dataset=arguments.dataset,
        outcome=arguments.outcome,
        benchmark=arguments.benchmark,
        scores=tuple(arguments.known),
        folder=arguments.folder,
        resamples=arguments.resamples,
        seed=arguments.seed,
        outputs=tuple(arguments.output),
        extra=tuple(arguments.extra),
    )
    rank_scores(request, Screen())


def _top(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.ranking.top import Wanted, show_top
    from trainfree.terminal.screen import Screen

    wanted = Wanted(
        proxy=arguments.proxy,
        space=arguments.space,
        dataset=arguments.dataset,
        scores=tuple(arguments.known),
        count=arguments.count,
        benchmark=arguments.benchmark,
        folder=arguments.folder,
        extra=tuple(arguments.extra),
    )
    show_top(wanted, Screen())


def _merge(arguments: argparse.Namespace) -> None:
    from trainfree.outside.extensions import load_files
    from trainfree.terminal.joining.merge import merge_results
    from trainfree.terminal.screen import Screen

    load_files(arguments.extra)
    merge_results(arguments.results, arguments.output, Screen())


def _cite(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.citing.cite import cite

    cite(arguments.results, arguments.output)


def run_of(arguments: argparse.Namespace) -> Run:
    """Return the run that the workflow would make of the same configuration files."""
    from trainfree.analysis.published import read_papers, table_names
    from trainfree.config import load_config
    from trainfree.files.suite import PUBLISHED, suite_path
    from trainfree.sources.delivery import source_settings
    from trainfree.terminal.run import Run
    from trainfree.workflow.runs import ConfiguredRun

    files = configuration_files(arguments)
    config = load_config(*files)
    sources = config.sources
    papers = read_papers(suite_path(PUBLISHED))
    return Run(
        configured=ConfiguredRun(config),
        configuration=files,
        folder=arguments.folder,
        sources=source_settings(
            mirror=sources.mirror,
            nats_archive=sources.nats_archive,
            nats_size_archive=sources.nats_size_archive,
            timeout=sources.timeout_seconds,
            nds=sources.nds,
        ),
        paper_tables=tuple(table_names(papers)),
    )
