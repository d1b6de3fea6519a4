"""The ``trainfree`` command: one subcommand per job, each a thin call into its package.

One module per stage, in the order in which data flows.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from trainfree import __version__
from trainfree.cli import (
    authors,
    models,
    nasbench101,
    preparation,
    report,
    running,
    scoring,
    search,
    studies,
    tables,
    terminal,
)
from trainfree.cli.command import GroupedParser, Handler
from trainfree.cli.output import ends_with_its_reader
from trainfree.cli.sharing import convolutional, recurrent
from trainfree.errors import TrainfreeError
from trainfree.files.reading import cannot_be_read
from trainfree.outside.extensions import author_of
from trainfree.outside.foreign import told
from trainfree.parent_process import end_with_run
from trainfree.workflow.job_progress import told_beside_log

DESCRIPTION = (
    "Score architectures with zero-cost proxies, search with the scores, and compare the results "
    "with published numbers."
)
EXIT_USER_ERROR = 2
STAGES = (
    running,
    authors,
    preparation,
    nasbench101,
    scoring,
    models,
    search,
    studies,
    recurrent,
    convolutional,
    tables,
    report,
    terminal,
)


@ends_with_its_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status.

    0, or what the subcommand says; 2 with a message on standard error for a user's error.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    own, passed_on = _divided(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(own, argparse.Namespace(passed_on=passed_on))
    handler: Handler = arguments.handler
    try:
        end_with_run(EXIT_USER_ERROR)
        with told_beside_log():
            return handler(arguments) or 0
    except TrainfreeError as error:
        print(f"trainfree: error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except (Exception, SystemExit) as error:
        if not (sentence := _sentence_of(error)):
            raise
        print(f"trainfree: error: {sentence}", file=sys.stderr)
        return EXIT_USER_ERROR


def _sentence_of(error: BaseException) -> str:
    """Return what to tell of an error that is no fault of the program's; else an empty text."""
    if author := author_of(error):
        return f"{author}: {told(error)}"
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return str(cannot_be_read(Path(error.filename), error))
    return ""


def _divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words for us and, of ``run``, those for Snakemake, which follow ``--``."""
    given = list(words)
    if given[:1] != ["run"] or "--" not in given:
        return given, []
    end = given.index("--")
    return given[:end], given[end + 1 :]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    program = GroupedParser(prog="trainfree", description=DESCRIPTION)
    program.add_argument("--version", action="version", version=f"trainfree {__version__}")
    commands = program.add_subparsers(
        required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    for stage in STAGES:
        stage.add_commands(commands)
    return program
