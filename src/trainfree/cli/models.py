"""The command that scores the user's own torch networks in Python files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import add_device, add_extra, command

if TYPE_CHECKING:
    import pandas as pd

    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare it."""
    score = command(commands, "score", _score, "score your own torch networks")
    score.add_argument(
        "models",
        nargs="+",
        metavar="FILE.py:NAME",
        help="a module, a function that returns one, or a dictionary of these",
    )
    score.add_argument(
        "--images",
        required=True,
        help="folder of images, prepared image set (cifar10) or noise (random:3x224x224)",
    )
    score.add_argument(
        "--labels",
        help="file of class numbers (.npy or text), random:CLASSES, or none; "
        "default: the labels of the images",
    )
    score.add_argument(
        "--size", type=int, default=224, help="size to which images in a folder are resized"
    )
    score.add_argument(
        "--data", type=Path, default=Path("data/images"), help="folder of prepared image sets"
    )
    score.add_argument("--proxies", nargs="+", help="proxies to compute; default: all")
    score.add_argument("--batch", type=int, default=64, help="number of images")
    score.add_argument(
        "--seeds",
        type=int,
        default=0,
        help="number of redraws of the weights; 0 keeps them as they are",
    )
    score.add_argument("--seed", type=int, default=0, help="root seed")
    score.add_argument(
        "--initialization", help="how to redraw weights; default: as each proxy declares"
    )
    score.add_argument("--output", help="key or index of the logits in a model's output")
    score.add_argument("--csv", type=Path, help="write the table to this file")
    score.add_argument(
        "--hdf5", type=Path, help="write it as netCDF-4 to this file, with provenance"
    )
    add_device(score)
    score.set_defaults(threads=None)
    add_extra(score)


def _score(arguments: argparse.Namespace) -> None:
    from trainfree.outside.extensions import load_files
    from trainfree.scoring.jobs.devices import scoring_device

    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        import torch  # it must see the slot's device only

        from trainfree.library.from_text import images_of, labels_of, models_in
        from trainfree.library.scoring import score

        if arguments.threads is not None:
            torch.set_num_threads(arguments.threads)
        load_files(arguments.extra)
        count, seed, output = arguments.batch, arguments.seed, arguments.output
        images, labels = images_of(arguments.images, arguments.size, count, seed, arguments.data)
        table = score(
            models_in(arguments.models, seed),
            images,
            labels_of(arguments.labels, labels, count, seed),
            output=int(output) if output and output.isdecimal() else output,
            proxies=arguments.proxies,
            seeds=arguments.seeds,
            seed=seed,
            initialization=arguments.initialization,
            device=device,
            progress=True,
        )
    _show(table)
    _write(table, arguments)


def _write(table: pd.DataFrame, arguments: argparse.Namespace) -> None:
    from trainfree.files.writing import write_text
    from trainfree.library.storing import write_scores

    if arguments.csv is not None:
        write_text(arguments.csv, table.to_csv(index=False))
    if arguments.hdf5 is not None:
        write_scores(table, arguments.hdf5)


def _show(table: pd.DataFrame) -> None:
    """Write the table, with the spread where there are several draws."""
    from trainfree.terminal.screen import Screen

    numbers = ["score", "spread", "seconds"]
    if table["spread"].isna().all():
        numbers.remove("spread")
    Screen().table(
        ["model", "proxy", *(f">{name}" for name in numbers), "state", "why"],
        (
            [
                *(row["model"], row["proxy"]),
                *("" if row[name] != row[name] else f"{row[name]:.6g}" for name in numbers),
                *(row["status"], row["message"]),
            ]
            for row in table.to_dict("records")
        ),
    )
