"""Commands for a person at a terminal."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_configfile, command, configuration_files

if TYPE_CHECKING:
    from trainfree.cli.command import Commands
    from trainfree.terminal.run import Run


def add_commands(commands: Commands) -> None:
    """Declare them."""
    status = command(commands, "status", _status, "show what is done, missing and failed in a run")
    status.add_argument("--all", action="store_true", help="name every job that is not done")
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


def _status(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.status import show_status

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


def run_of(arguments: argparse.Namespace) -> Run:
    """Return the run that the workflow would make of the same configuration files."""
    from trainfree.analysis.published import read_papers, table_names
    from trainfree.config import load_config
    from trainfree.sources.delivery import source_settings
    from trainfree.terminal.run import Run
    from trainfree.workflow.runs import ConfiguredRun

    files = configuration_files(arguments)
    config = load_config(*files)
    sources = config.sources
    papers = read_papers(Path("reports/published"))
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
