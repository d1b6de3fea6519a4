"""The command that runs a search algorithm."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_extra, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    parser = command(commands, "search", _search, "run a search algorithm on stored scores")
    parser.add_argument("--space", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--plan", required=True, help="search plan as JSON")
    parser.add_argument(
        "--scores",
        type=Path,
        nargs="+",
        default=[],
        help="merged scores, where a proxy is used; several files are draws that runs take in turn",
    )
    parser.add_argument("--benchmark", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    add_extra(parser)


def _search(arguments: argparse.Namespace) -> None:
    from trainfree.search.plan import SearchPlan
    from trainfree.search.run import SearchJob, run_search

    run_search(
        SearchJob(
            space=arguments.space,
            dataset=arguments.dataset,
            plan=SearchPlan.from_json(arguments.plan),
            scores=tuple(arguments.scores),
            benchmark=arguments.benchmark,
            output=arguments.output,
            seed=arguments.seed,
            extra=tuple(arguments.extra),
        )
    )
