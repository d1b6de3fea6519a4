"""Commands of the studies: choice of architectures, kernels, ablation, training, learning."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import (
    add_device,
    add_extra,
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
    choice = command(commands, "choose-architectures", _choose, "draw the architectures of a study")
    choice.add_argument(
        "--study", choices=("ablation", "kernels", "training"), required=True, help="which study"
    )
    choice.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    choice.add_argument("--dataset", required=True, help="image set")
    choice.add_argument(
        "--count", type=int, required=True, help="how many; not used for the ablation"
    )
    choice.add_argument(
        "--above", type=float, default=90.0, help="lowest accuracy in percent, for training"
    )
    choice.add_argument("--seed", type=int, required=True, help="root seed")
    ablation = command(
        commands, "score-ablation", _score_ablation, "score all draws of the ablation"
    )
    training = command(
        commands,
        "train-architecture",
        _train,
        "train an architecture and score it after each epoch",
    )
    training.add_argument(
        "--place", type=int, required=True, help="index among the chosen architectures, from 0"
    )
    for parser in (ablation, training):
        parser.add_argument("--setting", required=True, help="the study's setting as JSON")
        parser.add_argument("--choice", type=Path, required=True, help="chosen architectures")
        parser.add_argument("--images", type=Path, required=True, help="prepared image set")
        add_device(parser)
    add_store(ablation)
    add_groups(ablation)
    for parser in (choice, ablation, training):
        parser.add_argument("--output", type=Path, required=True, help="file to write")
    readers = {
        "plot-ablation": (_plot_ablation, "plot how scores depend on random draws"),
        "plot-training": (_plot_training, "plot scores during training"),
    }
    for name, (handler, text) in readers.items():
        parser = command(commands, name, handler, text)
        several = {"nargs": "+"} if name != "plot-ablation" else {}
        parser.add_argument(
            "--scores", type=Path, required=True, help="files of the study", **several
        )
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    _add_kernels(commands)
    _add_learning(commands)
    zoo = command(commands, "plot-zoo", _plot_zoo, "plot proxies on widely used networks")
    zoo.add_argument("--table", type=Path, required=True, help="the table zoo (CSV)")
    for kind, text in (("scores", "merged scores"), ("benchmarks", "trained accuracies")):
        zoo.add_argument(
            f"--{kind}", type=Path, nargs="+", required=True, help=f"{text} of each zoo"
        )
    zoo.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


def _add_kernels(commands: Commands) -> None:
    store = command(
        commands, "store-kernels", _store_kernels, "compute kernels of chosen architectures"
    )
    store.add_argument("--setting", required=True, help="scoring setting as JSON")
    store.add_argument("--choice", type=Path, required=True, help="chosen architectures")
    store.add_argument("--images", type=Path, required=True, help="prepared image set")
    add_device(store)
    store.add_argument("--output", type=Path, required=True, help="file to write")
    plot = command(commands, "plot-kernels", _plot_kernels, "plot kernels by accuracy")
    plot.add_argument("--kernels", type=Path, required=True, help="computed kernels")
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")


def _add_learning(commands: Commands) -> None:
    store = command(
        commands, "store-features", _store_features, "compute GRAF features of scored cells"
    )
    learn = command(
        commands, "learn", _learn, "train random forests on draws of trained architectures"
    )
    plot = command(
        commands,
        "plot-learned",
        _plot_learned,
        "plot rank correlation against trained architectures",
    )
    for parser in (store, learn, plot):
        parser.add_argument("--scores", type=Path, required=True, help="merged scores")
    for parser in (learn, plot):
        parser.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    add_extra(store)
    learn.add_argument("--features", type=Path, required=True, help="stored features")
    learn.add_argument("--hardware", type=Path, help="hardware measurements")
    learn.add_argument("--settings", required=True, help="settings of the learned baseline as JSON")
    plot.add_argument("--table", type=Path, required=True, help="the table learned (CSV)")
    plot.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    for parser in (store, learn):
        parser.add_argument("--output", type=Path, required=True, help="file to write")


def _choose(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.studies.choice import choose_architectures

    choose_architectures(
        arguments.study,
        arguments.benchmark,
        arguments.dataset,
        arguments.seed,
        arguments.output,
        count=arguments.count,
        above=arguments.above,
    )


def _score_ablation(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.settings.studies import AblationSetting

    setting = AblationSetting.from_json(arguments.setting)
    with device_for(arguments, setting.base) as device:
        from trainfree.scoring.jobs.ablation import (
            score_ablation,  # torch must see the slot's device only
        )

        score_ablation(
            setting,
            arguments.choice,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
            store=store_of(arguments),
            options=group_options(arguments),
        )


def _train(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.jobs.devices import scoring_device
    from trainfree.scoring.settings.studies import TrainingSetting

    setting = TrainingSetting.from_json(arguments.setting)
    with scoring_device(arguments.device, jobs_per_gpu=arguments.jobs_per_gpu) as device:
        from trainfree.scoring.jobs.training import train_architecture  # as above

        train_architecture(
            setting,
            arguments.place,
            arguments.choice,
            arguments.images,
            arguments.output,
            device=device,
            threads=arguments.threads,
        )


def _plot_ablation(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.ablation import plot_ablation

    plot_ablation(arguments.scores, arguments.stem)


def _plot_training(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.training import plot_training

    plot_training(arguments.scores, arguments.stem)


def _store_kernels(arguments: argparse.Namespace) -> None:
    from trainfree.scoring.settings.setting import Setting

    setting = Setting.from_json(arguments.setting)
    with device_for(arguments, setting) as device:
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


def _plot_kernels(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.kernels import plot_kernels

    plot_kernels(arguments.kernels, arguments.stem)


def _plot_zoo(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.zoo import plot_zoo

    plot_zoo(arguments.table, arguments.scores, arguments.benchmarks, arguments.stem)


def _store_features(arguments: argparse.Namespace) -> None:
    from trainfree.outside.extensions import load_files
    from trainfree.spaces.graf.storing import store_features

    load_files(arguments.extra)
    store_features(arguments.scores, arguments.output)


def _learn(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.settings import LearnedSettings
    from trainfree.analysis.studies.learning import learn_outcomes

    learn_outcomes(
        LearnedSettings.from_json(arguments.settings),
        arguments.scores,
        arguments.benchmark,
        arguments.features,
        arguments.output,
        arguments.hardware,
    )


def _plot_learned(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.learned import plot_learned

    plot_learned(arguments.table, arguments.scores, arguments.benchmark, arguments.stem)
