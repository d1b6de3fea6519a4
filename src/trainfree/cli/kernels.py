"""Commands that store kernels and draw them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_device, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    store = command(commands, "store-kernels", _store, "compute kernels of chosen architectures")
    store.add_argument("--setting", required=True, help="scoring setting as JSON")
    store.add_argument("--choice", type=Path, required=True, help="chosen architectures")
    store.add_argument("--images", type=Path, required=True, help="prepared image set")
    add_device(store)
    store.add_argument("--output", type=Path, required=True)
    plot = command(commands, "plot-kernels", _plot, "plot kernels by accuracy")
    plot.add_argument("--kernels", type=Path, required=True)
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


def _store(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.scoring.settings.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with scoring_device(arguments.device) as device:
        from trainfree.scoring.jobs.kernels import (
            store_kernels,  # torch must see the slot's device only
        )

        store_kernels(
            setting,
            arguments.choice,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.kernels import plot_kernels

    plot_kernels(arguments.kernels, arguments.stem)
