"""Commands that make tables of scores and of searches."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    names = {
        "tabulate-correlations": (_tabulate_correlations, "correlate scores with accuracy"),
        "tabulate-search": (_tabulate_search, "summarise search runs"),
        "tabulate-timing": (_tabulate_timing, "summarise scoring time"),
        "summarize": (_summarize, "write the summary"),
    }
    parsers = {name: command(commands, name, *rest) for name, rest in names.items()}
    agreement = command(
        commands, "tabulate-agreement", _tabulate_agreement, "compare with others' proxy scores"
    )
    agreement.add_argument("--scores", type=Path, nargs=2, required=True, help="of two seeds")
    agreement.add_argument("--benchmark", type=Path, required=True)
    agreement.add_argument("--independent", type=Path, required=True)
    proxies = command(commands, "tabulate-proxies", _tabulate_proxies, "compare the proxies")
    proxies.add_argument("--scores", type=Path, nargs="+", required=True)
    proxies.add_argument("--benchmark", type=Path, required=True)
    proxies.add_argument("--pairs", type=Path, required=True, help="output path, no suffix")
    outcomes = command(
        commands, "tabulate-outcomes", _tabulate_outcomes, "compare them with all that is known"
    )
    outcomes.add_argument("--scores", type=Path, nargs="+", required=True)
    outcomes.add_argument("--benchmark", type=Path, required=True)
    outcomes.add_argument("--hardware", type=Path, help="hardware file of the space")
    for parser in (proxies, outcomes):
        parser.add_argument("--resamples", type=int, required=True)
        parser.add_argument("--seed", type=int, required=True)
    stability = command(
        commands, "tabulate-stability", _tabulate_stability, "compare draws of the same networks"
    )
    stability.add_argument("--draws", type=Path, nargs="+", required=True)
    for parser in (*parsers.values(), agreement, proxies, outcomes, stability):
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


def _tabulate_correlations(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.correlations import tabulate_correlations

    tabulate_correlations(
        arguments.scores,
        arguments.benchmark,
        arguments.stem,
        resamples=arguments.resamples,
        seed=arguments.seed,
        published=arguments.published,
    )


def _tabulate_search(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.searches.search import tabulate_search

    tabulate_search(arguments.searches, arguments.stem, arguments.published)


def _tabulate_timing(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.timing import tabulate_timing

    tabulate_timing(arguments.scores, arguments.stem, arguments.published)


def _summarize(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.overview.summary import summarize

    summarize(
        arguments.correlations,
        arguments.search,
        arguments.timing,
        arguments.scoreboard,
        arguments.scores,
        arguments.benchmark,
        arguments.stem,
    )


def _tabulate_proxies(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.proxies import tabulate_proxies

    tabulate_proxies(
        arguments.scores,
        arguments.benchmark,
        arguments.stem,
        arguments.pairs,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )


def _tabulate_outcomes(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.proxy_outcomes import tabulate_outcomes

    tabulate_outcomes(
        arguments.scores,
        arguments.benchmark,
        arguments.hardware,
        arguments.stem,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )


def _tabulate_stability(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.proxy_stability import tabulate_stability

    tabulate_stability(arguments.draws, arguments.stem)


def _tabulate_agreement(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.proxies.proxy_agreement import tabulate_agreement

    first, second = arguments.scores
    tabulate_agreement(first, second, arguments.benchmark, arguments.independent, arguments.stem)
