"""Commands that store kernels and draw them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    choice = command(commands, "choose-kernels", _choose, "draw architectures along the accuracy")
    choice.add_argument("--benchmark", type=Path, required=True)
    choice.add_argument("--dataset", required=True, help="image set")
    choice.add_argument("--count", type=int, required=True, help="how many architectures")
    choice.add_argument("--seed", type=int, required=True)
    store = command(commands, "store-kernels", _store, "compute kernels of chosen architectures")
    store.add_argument("--setting", required=True, help="scoring setting as JSON")
    store.add_argument("--choice", type=Path, required=True, help="chosen architectures")
    store.add_argument("--images", type=Path, required=True, help="prepared image set")
    store.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    store.add_argument("--threads", type=int, default=1)
    for parser in (choice, store):
        parser.add_argument("--output", type=Path, required=True)
    plot = command(commands, "plot-kernels", _plot, "plot kernels by accuracy")
    plot.add_argument("--kernels", type=Path, required=True)
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


def _choose(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.choice import choose_architectures

    choose_architectures(
        "kernels",
        arguments.benchmark,
        arguments.dataset,
        arguments.seed,
        arguments.output,
        count=arguments.count,
    )


def _store(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.devices import device_slot
    from trainfree.scoring.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_slot(arguments.device) as device:
        from trainfree.scoring.kernels import store_kernels  # torch must see the slot's device only

        store_kernels(
            setting,
            arguments.choice,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot(arguments: argparse.Namespace) -> None:
    from trainfree.report.kernel_figure import plot_kernels

    plot_kernels(arguments.kernels, arguments.stem)
