"""Commands that score architectures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import (
    add_device,
    add_groups,
    add_store,
    command,
    device_for,
    group_options,
    store_of,
)

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    shard = command(commands, "score-shard", _score_shard, "score a range of architectures")
    draws = command(
        commands, "score-draws", _score_draws, "score a range under several random draws"
    )
    draws.add_argument(
        "--draws", type=int, required=True, help="number of draws of batch, of weights, and of both"
    )
    for parser in (shard, draws):
        parser.add_argument("--images", type=Path, required=True, help="prepared image set")
        parser.add_argument("--first", type=int, required=True, help="first architecture index")
        parser.add_argument("--last", type=int, required=True, help="last architecture index")
        add_device(parser)
        add_groups(parser)
        add_store(parser)
    merge = command(commands, "merge-scores", _merge_scores, "merge shards into one file")
    merge.add_argument("shards", type=Path, nargs="+", help="files to merge")
    for parser in (shard, draws, merge):
        parser.add_argument("--setting", required=True, help="scoring setting as JSON")
        parser.add_argument("--output", type=Path, required=True, help="file to write")


def _score_shard(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.settings.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_for(arguments, setting) as device:
        from trainfree.scoring.jobs.shard import (
            score_shard,  # torch must see the slot's device only
        )

        score_shard(
            setting,
            arguments.first,
            arguments.last,
            images=arguments.images,
            output=arguments.output,
            device=device,
            threads=arguments.threads,
            store=store_of(arguments),
            options=group_options(arguments),
        )


def _score_draws(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.settings.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_for(arguments, setting) as device:
        from trainfree.scoring.jobs.draws import (
            score_draws,  # torch must see the slot's device only
        )

        score_draws(
            setting,
            arguments.draws,
            arguments.first,
            arguments.last,
            images=arguments.images,
            output=arguments.output,
            device=device,
            threads=arguments.threads,
            store=store_of(arguments),
            options=group_options(arguments),
        )


def _merge_scores(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.merge import merge_shards
    from trainfree.scoring.settings.setting import Setting

    merge_shards(arguments.shards, Setting.from_json(arguments.setting), arguments.output)
