"""Commands about NAS-Bench-101 and about accuracy landscapes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    cells = command(
        commands,
        "enumerate-nasbench101",
        _enumerate_nasbench101,
        "list and hash all NAS-Bench-101 cells",
    )
    prepare = command(
        commands,
        "prepare-nasbench101",
        _prepare_nasbench101,
        "convert trained accuracies of NAS-Bench-101",
    )
    prepare.add_argument(
        "--source", type=Path, required=True, help="official .tfrecord file, or a mirror's .npz"
    )
    prepare.add_argument(
        "--partial", action="store_true", help="accept a source with only some of the cells"
    )
    landscape = command(
        commands,
        "prepare-landscape",
        _prepare_landscape,
        "prepare landscape analysis: random walks, changed operations",
    )
    landscape.add_argument("--walks", type=int, required=True, help="number of random walks")
    landscape.add_argument("--steps", type=int, required=True, help="architectures per walk")
    for parser in (cells, prepare, landscape):
        parser.add_argument("--output", type=Path, required=True, help="file to write")
    landscape.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    landscape.add_argument("--seed", type=int, required=True, help="root seed")


def _enumerate_nasbench101(arguments: argparse.Namespace) -> None:
    from trainfree.spaces.nasbench101.cells_file import write_cells

    counts = write_cells(arguments.output)
    sizes = ", ".join(f"{count} with {size} vertices" for size, count in counts.items())
    print(f"{sum(counts.values())} cells: {sizes}")


def _prepare_nasbench101(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101

    prepare_nasbench101(arguments.source, arguments.output, partial=arguments.partial)


def _prepare_landscape(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.landscape import prepare_landscape

    prepare_landscape(
        arguments.benchmark,
        arguments.output,
        walks=arguments.walks,
        steps=arguments.steps,
        seed=arguments.seed,
    )
