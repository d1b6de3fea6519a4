"""How a subcommand is declared: a name, a handler, a line of help; and how help lists them.

Handlers import their packages themselves, so that a command loads only the libraries it needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from trainfree.files.suite import here_or_of_suite, suite_path
from trainfree.scoring.settings.precision import GroupOptions, Precision
from trainfree.workflow.paths import Paths

DEFAULT_CONFIG = "config/config.yaml"
OWN_CONFIG = "trainfree.yaml"
"""What ``trainfree init`` writes, and what a run in its folder reads."""
DEFAULT_RUN = "default"
Handler = Callable[[argparse.Namespace], int | None]
GROUPS = {
    "run the suite": ("init", "run", "status", "report", "check-config", "doctor"),
    "look at results": ("show", "top", "compare", "merge", "tables", "cite"),
    "your own models and scores": ("score", "rank"),
    "extend the suite": ("new-proxy", "new-search", "config-schema"),
}
"""Commands for people, by title of their group."""
STEPS = "steps that rules and maintainers call"

if TYPE_CHECKING:  # not a class that can be subscribed at run time
    from trainfree.scoring.jobs.columns import ColumnStore
    from trainfree.scoring.settings.setting import Setting

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


class GroupedParser(argparse.ArgumentParser):
    """A parser whose help lists the commands for people first, and the workflow's own last."""

    def format_help(self) -> str:
        """Return the help with a section for each group of commands."""
        formatter = argparse.HelpFormatter(self.prog, max_help_position=26)
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, listed in grouped_commands(self).items():
            formatter.start_section(title)
            formatter.add_arguments(listed)
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments(self._optionals._group_actions)
        formatter.end_section()
        formatter.add_text("'trainfree COMMAND --help' describes a command.")
        return formatter.format_help()


def grouped_commands(parser: argparse.ArgumentParser) -> dict[str, list[argparse.Action]]:
    """Return name and help of all commands by title of their group."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    known = {listed.dest: listed for listed in commands._get_subactions()}
    groups = {title: [known.pop(name) for name in names] for title, names in GROUPS.items()}
    return groups | {STEPS: list(known.values())}


def command(commands: Commands, name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
    """Add a subcommand and return its parser.

    ``handler`` gets the parsed arguments; what it returns is the exit status, None meaning 0.
    """
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=handler)
    return parser


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand take configuration files as Snakemake does."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help=f"files that override {DEFAULT_CONFIG}; default: {OWN_CONFIG}, if it exists",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand say where it computes."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--jobs-per-gpu", type=int, default=1, help="number of jobs that may share a GPU"
    )


def add_groups(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand say how a GPU computes groups of architectures."""
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default=GroupOptions.precision,
        help="multiplication precision of a GPU's convolutions",
    )
    parser.add_argument(
        "--gpu-memory",
        type=float,
        default=GroupOptions.memory,
        help="share of a GPU's memory for groups, for all jobs on it together",
    )
    parser.add_argument(
        "--helpers",
        type=int,
        default=GroupOptions.threads,
        help="CPU threads of a GPU job; not used without a GPU",
    )


def group_options(arguments: argparse.Namespace) -> GroupOptions:
    """Return how a subcommand uses its share of a GPU."""
    memory = arguments.gpu_memory / arguments.jobs_per_gpu
    return GroupOptions(arguments.precision, memory, arguments.helpers)


@contextmanager
def device_for(arguments: argparse.Namespace, setting: Setting) -> Iterator[str]:
    """Hold the device that a subcommand scores ``setting`` on; before torch is imported."""
    from trainfree.outside.extensions import load_files
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.scoring.settings.setting import scoring_work

    load_files(Path(path) for path, _ in setting.extra)
    work, jobs = scoring_work(setting), arguments.jobs_per_gpu
    with scoring_device(arguments.device, work=work, jobs_per_gpu=jobs) as device:
        yield device


def add_store(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand use cached scores, and cache those it computes."""
    parser.add_argument("--store", type=Path, help="cache folder of score columns")


def store_of(arguments: argparse.Namespace) -> ColumnStore | None:
    """Return the store of columns that a subcommand was given. Needs torch."""
    from trainfree.scoring.jobs.columns import ColumnStore

    return None if arguments.store is None else ColumnStore(arguments.store)


def add_extra(parser: argparse.ArgumentParser) -> None:
    """Let a subcommand load the user's own files."""
    parser.add_argument(
        "--extra",
        type=Path,
        nargs="+",
        default=[],
        help="your own files that define the space, algorithm or data set",
    )


def results_folder(run: str) -> Path:
    """Return the folder of what the configuration called ``run`` makes."""
    return Path(Paths(run).results)


def configuration_files(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """Return the files that make the configuration, later ones winning.

    The suite's own come first. A file that is not there may be one of these, ``config/paper.yaml``.
    """
    named = [here_or_of_suite(path) for path in arguments.configfile or ()]
    own = own_configuration(arguments)
    return (suite_path(DEFAULT_CONFIG), *(named or ([own] if own.is_file() else [])))


def own_configuration(arguments: argparse.Namespace) -> Path:
    """Return where the folder that a subcommand is about has its configuration, if it has one."""
    return Path(getattr(arguments, "folder", ".")) / OWN_CONFIG
