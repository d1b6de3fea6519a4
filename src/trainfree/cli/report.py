"""Commands that draw figures and write the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    scatter = command(commands, "plot-scores", _plot_scores, "plot score against accuracy")
    scatter.add_argument("--scores", type=Path, required=True)
    scatter.add_argument("--benchmark", type=Path, required=True)
    scatter.add_argument("--proxy", required=True)
    search = command(commands, "plot-search", _plot_search, "plot accuracy against search time")
    search.add_argument("--searches", type=Path, nargs="+", required=True)
    for parser in (scatter, search):
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    report = command(commands, "report", _report, "write the HTML report")
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
