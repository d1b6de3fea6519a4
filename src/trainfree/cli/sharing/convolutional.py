"""Commands of ENAS for convolutional cells: the search, its figures, the animation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_device, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    search = command(
        commands,
        "enas-convolutional",
        _search,
        "search for convolutional cells by ENAS, and train the derived ones beside random ones",
    )
    search.add_argument("--setting", required=True, help="what decides it, as JSON")
    search.add_argument("--images", type=Path, required=True, help="prepared image set")
    add_device(search)
    search.add_argument("--output", type=Path, required=True)
    plot = command(
        commands, "plot-enas-convolutional", _plot, "draw a search for convolutional cells"
    )
    cells = command(
        commands, "plot-enas-convolutional-cells", _plot_cells, "draw the cells that it derived"
    )
    animate = command(
        commands, "animate-enas-convolutional", _animate, "animate the cells of a search"
    )
    for parser in (plot, cells, animate):
        parser.add_argument("--search", type=Path, required=True, help="the search (HDF5)")
    for parser in (plot, cells):
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    animate.add_argument("--output", type=Path, required=True, help="a GIF file")


def _search(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings

    settings = EnasConvolutionalSettings.from_json(arguments.setting)
    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        from trainfree.weight_sharing.convolutional.run import (
            search_cells,  # torch must see the slot's device only
        )

        search_cells(
            settings,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.convolutional.search import plot_search

    plot_search(arguments.search, arguments.stem)


def _plot_cells(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.convolutional.derived import plot_derived

    plot_derived(arguments.search, arguments.stem)


def _animate(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.convolutional.animation import animate_cells

    animate_cells(arguments.search, arguments.output)
