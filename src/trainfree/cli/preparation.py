"""Commands that prepare inputs: images, benchmarks, published scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainfree.cli.command import add_extra, command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    images = command(commands, "prepare-images", _prepare_images, "fetch and convert images")
    images.add_argument("--dataset", required=True, help="image set")
    images.add_argument("--seed", type=int, default=0, help="root seed of generated images")
    benchmark = command(
        commands, "prepare-benchmark", _prepare_benchmark, "fetch and convert trained accuracies"
    )
    benchmark.add_argument("--space", required=True, help="search space")
    benchmark.add_argument("--nats-archive", help="official NATS-tss folder or .tar")
    benchmark.add_argument("--nats-size-archive", help="official NATS-sss folder or .tar")
    benchmark.add_argument("--nds", help="official NDS files, folder or .zip")
    others = command(
        commands,
        "prepare-published-scores",
        _prepare_published_scores,
        "fetch published proxy scores",
    )
    others.add_argument("--name", required=True, help="file name without .csv.gz")
    others.add_argument("--mirror", help="local copies; TRAINFREE_MIRROR takes precedence")
    others.add_argument("--output", type=Path, required=True, help="file to write")
    for parser in (images, benchmark):
        add_extra(parser)
    hardware = command(
        commands,
        "prepare-hardware",
        _prepare_hardware,
        "fetch latency, energy and deployed accuracy",
    )
    hardware.add_argument("--space", required=True, help="search space")
    for parser in (images, benchmark, hardware):
        parser.add_argument("--order", nargs="+", required=True, help="sources in the order to try")
        parser.add_argument("--mirror", help="local copies; TRAINFREE_MIRROR takes precedence")
        parser.add_argument(
            "--timeout", type=float, default=10.0, help="seconds to wait for a connection"
        )
        parser.add_argument("--cache", type=Path, required=True, help="folder for downloads")
        parser.add_argument("--output", type=Path, required=True, help="file to write")


def _prepare_images(arguments: argparse.Namespace) -> None:
    from trainfree.images.prepare import prepare_images

    prepare_images(
        arguments.dataset,
        arguments.output,
        **_sources(arguments),
        seed=arguments.seed,
        extra=arguments.extra,
    )


def _prepare_benchmark(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.prepare import prepare_benchmark

    prepare_benchmark(
        arguments.space,
        arguments.output,
        **_sources(arguments),
        nats_archive=arguments.nats_archive,
        nats_size_archive=arguments.nats_size_archive,
        nds=arguments.nds,
        extra=arguments.extra,
    )


def _prepare_hardware(arguments: argparse.Namespace) -> None:
    from trainfree.benchmarks.hardware import prepare_hardware

    prepare_hardware(
        arguments.space,
        arguments.output,
        **_sources(arguments),
    )


def _sources(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return where bytes come from, as every preparation takes it."""
    return {name: getattr(arguments, name) for name in ("order", "cache", "mirror", "timeout")}


def _prepare_published_scores(arguments: argparse.Namespace) -> None:
    from trainfree.sources.published_proxy_scores import prepare_published_scores

    prepare_published_scores(arguments.name, arguments.output, arguments.mirror)
