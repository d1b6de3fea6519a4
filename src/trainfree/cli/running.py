"""Commands that begin: a folder, a run of the workflow in it, and the configuration of both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import OWN_CONFIG, add_configfile, command, configuration_files

if TYPE_CHECKING:
    from trainfree.cli.command import Commands

PROFILES = ("default", "slurm", "generic")


def add_commands(commands: Commands) -> None:
    """Declare them."""
    begin = command(commands, "init", _init, "make a folder to run the suite in")
    begin.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="default: the current one"
    )
    begin.add_argument(
        "--profile",
        choices=PROFILES,
        nargs="+",
        default=[],
        help="Snakemake profiles to copy there too, for editing",
    )
    run = command(commands, "run", _run, "run the workflow in the current folder")
    run.add_argument(
        "targets",
        nargs="*",
        help="files or targets such as tables; default: everything. "
        "What follows -- is passed to Snakemake",
    )
    run.add_argument("--cores", help="number of cores; default: all, or what the profile says")
    run.add_argument("--gpus", type=int, help="number of GPUs to use")
    add_configfile(run)
    run.add_argument("--profile", help="folder of a Snakemake profile, for clusters")
    run.add_argument("-n", "--dry-run", action="store_true", help="only list the jobs")
    check = command(
        commands,
        "check-config",
        _check_config,
        "check configuration files, and print what differs from the default run",
    )
    check.add_argument(
        "configfile",
        type=Path,
        nargs="*",
        metavar="FILE",
        help=f"YAML files; later files override earlier ones; default: {OWN_CONFIG}",
    )
    check.add_argument("--json", action="store_true", help="print the whole result as JSON")
    command(
        commands, "config-schema", _config_schema, "print the JSON Schema of configuration files"
    )


def _init(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.starting.folder import begin_folder

    begin_folder(arguments.folder, arguments.profile, Screen())


def _run(arguments: argparse.Namespace) -> int:
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.starting.workflow import Wanted, run_workflow

    wanted = Wanted(
        files=configuration_files(arguments),
        targets=tuple(arguments.targets),
        cores=arguments.cores,
        gpus=arguments.gpus,
        profile=arguments.profile,
        dry_run=arguments.dry_run,
        passed_on=tuple(arguments.passed_on),
    )
    return run_workflow(wanted, Screen())


def _check_config(arguments: argparse.Namespace) -> None:
    from trainfree.config import load_config

    files = configuration_files(arguments)
    if arguments.json:
        print(load_config(*files).model_dump_json(indent=2))
        return
    from trainfree.terminal.screen import Screen
    from trainfree.terminal.starting.checked import show_differences

    show_differences(files[0], files[1:], Screen())


def _config_schema(arguments: argparse.Namespace) -> None:
    from trainfree.config import schema_json

    print(schema_json(), end="")
