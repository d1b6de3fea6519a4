"""The commands that search: for the best architecture, under a cost, and by shared weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_device, add_extra, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    parser = command(commands, "search", _search, "run a search algorithm on stored scores")
    parser.add_argument(
        "--scores",
        type=Path,
        nargs="+",
        default=[],
        help="merged scores, if a proxy is used; several files are draws that runs use in turn",
    )
    fronts = command(
        commands, "search-fronts", _search_fronts, "search for Pareto fronts and within limits"
    )
    fronts.add_argument("--scores", type=Path, required=True, help="merged scores")
    fronts.add_argument("--hardware", type=Path, help="hardware measurements")
    for each in (parser, fronts):
        each.add_argument("--space", required=True, help="search space")
        each.add_argument("--dataset", required=True, help="image set")
        each.add_argument("--plan", required=True, help="search plan as JSON")
        each.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
        each.add_argument("--seed", type=int, required=True, help="root seed")
        each.add_argument("--output", type=Path, required=True, help="file to write")
        add_extra(each)
    share = command(
        commands, "share-weights", _share_weights, "train shared weights, and choose by them"
    )
    share.add_argument("--setting", required=True, help="setting of weight sharing as JSON")
    share.add_argument("--run", type=int, required=True, help="which run, from 0")
    share.add_argument("--images", type=Path, required=True, help="prepared image set")
    add_device(share)
    share.add_argument("--output", type=Path, required=True)
    plot = command(commands, "plot-pareto", _plot_pareto, "plot fronts of accuracy against cost")
    plot.add_argument("--fronts", type=Path, nargs="+", required=True, help="one file per cost")
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


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


def _search_fronts(arguments: argparse.Namespace) -> None:
    from trainfree.search.fronts.plan import FrontsPlan
    from trainfree.search.fronts.run import FrontsJob, run_fronts

    run_fronts(
        FrontsJob(
            space=arguments.space,
            dataset=arguments.dataset,
            plan=FrontsPlan.from_json(arguments.plan),
            scores=arguments.scores,
            benchmark=arguments.benchmark,
            hardware=arguments.hardware,
            output=arguments.output,
            seed=arguments.seed,
            extra=tuple(arguments.extra),
        )
    )


def _share_weights(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.weight_sharing.setting import SharingSetting

    setting = SharingSetting.from_json(arguments.setting)
    setting.check()
    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        from trainfree.weight_sharing.run import (
            share_weights,  # torch must see the slot's device only
        )

        share_weights(
            setting,
            arguments.run,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot_pareto(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.searches.pareto import plot_pareto

    plot_pareto(arguments.fronts, arguments.stem)
