"""Commands of ENAS for recurrent cells: search, train one cell, draw."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_device, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    search = command(commands, "enas-search", _search, "search for a recurrent cell by ENAS")
    retrain = command(commands, "enas-retrain", _retrain, "train a cell of a search alone")
    retrain.add_argument("--search", type=Path, required=True, help="the search (HDF5)")
    retrain.add_argument("--place", required=True, help="derived, random-0, random-1 …")
    for parser in (search, retrain):
        parser.add_argument("--setting", required=True, help="what decides it, as JSON")
        parser.add_argument("--text", type=Path, help="file or folder of the text, if it has one")
        add_device(parser)
        parser.add_argument("--output", type=Path, required=True)
    plot = command(commands, "plot-enas", _plot, "draw a search and the cell that it derived")
    animate = command(commands, "animate-enas", _animate, "animate the cells of a search")
    for parser in (plot, animate):
        parser.add_argument("--search", type=Path, required=True, help="the search (HDF5)")
    plot.add_argument("--cells", type=Path, nargs="+", required=True, help="its trained cells")
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    animate.add_argument("--output", type=Path, required=True, help="a GIF file")


def _search(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.weight_sharing.recurrent.settings import SearchSettings

    settings = SearchSettings.from_json(arguments.setting)
    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        from trainfree.weight_sharing.recurrent.jobs import (
            search_cell,  # torch must see the slot's device only
        )

        search_cell(
            settings,
            arguments.text,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _retrain(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.weight_sharing.recurrent.settings import RetrainSettings

    settings = RetrainSettings.from_json(arguments.setting)
    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        from trainfree.weight_sharing.recurrent.jobs import train_cell  # as above

        train_cell(
            settings,
            arguments.search,
            arguments.place,
            arguments.text,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.recurrent.search import plot_enas

    plot_enas(arguments.search, arguments.cells, arguments.stem)


def _animate(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.recurrent.animation import animate_enas

    animate_enas(arguments.search, arguments.output)
