"""Commands of the kernel matrices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    compute = command(commands, "compute-kernels", _compute, "compute kernels of architectures")
    compute.add_argument("--setting", required=True, help="scoring setting as JSON")
    compute.add_argument("--choice", type=Path, required=True, help="chosen architectures")
    compute.add_argument("--images", type=Path, required=True, help="prepared image set")
    compute.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    compute.add_argument("--threads", type=int, default=1)
    compute.add_argument("--output", type=Path, required=True)
    plot = command(commands, "plot-kernels", _plot, "plot kernels in the order of accuracy")
    plot.add_argument("--kernels", type=Path, required=True)
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


def _compute(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.devices import device_slot
    from trainfree.scoring.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_slot(arguments.device) as device:
        from trainfree.scoring.kernels import compute_kernels  # torch must see the slot's device

        compute_kernels(
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
