"""Commands that make tables, and that copy them to the repository."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainfree.cli.command import (
    DEFAULT_RUN,
    add_configfile,
    command,
    configuration_files,
    results_folder,
)

if TYPE_CHECKING:
    from trainfree.analysis.declaration import Inputs
    from trainfree.cli.command import Commands
    from trainfree.config import Config

SEVERAL = {
    "scores": "merged scores",
    "searches": "search files",
    "published": "files of the papers' numbers",
    "fronts": "searches under a cost",
    "draws": "several draws of the same architectures",
    "ablation": "files of the ablation study",
    "training": "files of the training study",
    "learned": "files of learned baselines",
    "shared": "trainings of shared weights",
    "enas_cells": "recurrent cells, trained alone",
    "benchmarks": "trained accuracies of several spaces",
    "published_scores": "published proxy scores",
    "published_field": "published tables of proxies",
    "board": "scores that proxies are compared on, one file a seed",
    "tables": "CSV files of other tables",
}
ONE = {
    "benchmark": "trained accuracies",
    "hardware": "hardware measurements",
    "enas": "search for a recurrent cell",
    "enas_convolutional": "search for convolutional cells",
    "landscape": "random walks through a space",
    "published_landscape": "published numbers on a space",
    "published_across": "published rank correlations on several spaces",
}
"""Kinds of files that tables are made from, see :class:`trainfree.analysis.declaration.Inputs`."""


def add_commands(commands: Commands) -> None:
    """Declare them."""
    table = command(commands, "tabulate", _tabulate, "make tables from data files")
    table.add_argument("names", nargs="+", help="names of tables")
    for kind, text in SEVERAL.items():
        table.add_argument(_option(kind), type=Path, nargs="*", default=[], help=text)
    for kind, text in ONE.items():
        table.add_argument(_option(kind), type=Path, help=text)
    table.add_argument("--settings", default="{}", help="settings of the tables as JSON")
    table.add_argument("--folder", type=Path, required=True, help="output folder")
    every = command(commands, "tables", _tables, "make every table that the existing files allow")
    copy = command(
        commands, "publish-tables", _publish_tables, "copy a run's tables to the repository"
    )
    copy.add_argument("--output", type=Path, default=Path("reports/measured"), help="output folder")
    one = command(commands, "publish-table", _publish_table, "copy single tables to the repository")
    one.add_argument("names", nargs="+", help="file names of tables, without suffix")
    one.add_argument("--results", type=Path, default=results_folder(DEFAULT_RUN), help="folder")
    one.add_argument("--output", type=Path, default=Path("reports/measured"), help="output folder")
    one.add_argument("--scores", type=Path, nargs="*", default=[], help="scores it was made from")
    one.add_argument(
        "--benchmark", type=Path, nargs="+", required=True, help="accuracies it was made from"
    )
    one.add_argument("--command", required=True, help="command that made it, to be printed below")
    scores = command(
        commands, "publish-scores", _publish_scores, "copy scores into the package's own file"
    )
    scores.add_argument("results", type=Path, nargs="+", help="folders of results, or scores files")
    scores.add_argument(
        "--benchmarks", type=Path, nargs="*", default=[], help="prepared files of accuracies"
    )
    scores.add_argument("--output", type=Path, default=Path("src/trainfree/data/scores-1.h5"))
    scores.add_argument("--fresh", action="store_true", help="keep nothing that the file held")
    for parser in (every, copy):
        add_configfile(parser)
        parser.add_argument("--results", type=Path, help="folder; default: the configuration's")
        parser.add_argument("--data", type=Path, default=Path("data"), help="folder of input data")
        parser.add_argument(
            "--published",
            type=Path,
            help="folder of published numbers; default: the suite's own",
        )


def _option(kind: str) -> str:
    return f"--{kind.replace('_', '-')}"


def _tabulate(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.declaration import Inputs
    from trainfree.analysis.registry import make_table
    from trainfree.analysis.settings import AnalysisSettings

    given: dict[str, Any] = {kind: getattr(arguments, kind) for kind in ONE}
    given |= {kind: tuple(getattr(arguments, kind)) for kind in SEVERAL}
    settings = AnalysisSettings.from_json(arguments.settings)
    inputs = Inputs(**given, settings=settings)
    for name in arguments.names:
        make_table(name, inputs, arguments.folder)


def _tables(arguments: argparse.Namespace) -> int:
    from trainfree.analysis.registry import tabulate_all, unusable_files

    config, inputs = _inputs_of(arguments)
    made = tabulate_all(inputs, _results(arguments, config) / "tables")
    print(f"made {len(made)} tables: {', '.join(made)}")
    unusable = unusable_files(inputs)
    if unusable:
        listed = "".join(f"\n  {sentence}" for sentence in unusable)
        print(f"trainfree: error: tables lack what these files hold:{listed}", file=sys.stderr)
    return int(bool(unusable))


def _publish_tables(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.publish import publish_tables

    config, inputs = _inputs_of(arguments)
    names = " ".join(str(path) for path in configuration_files(arguments))
    publish_tables(
        _results(arguments, config) / "tables",
        arguments.output,
        inputs,
        f"snakemake --configfile {names}",
    )


def _publish_table(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.publish import publish_one

    for name in arguments.names:
        publish_one(
            name,
            arguments.results / "tables",
            arguments.output,
            arguments.scores,
            arguments.benchmark,
            arguments.command,
        )


def _publish_scores(arguments: argparse.Namespace) -> None:
    from trainfree.terminal.ranking.publishing import publish_scores
    from trainfree.terminal.screen import Screen

    publish_scores(
        arguments.results,
        arguments.benchmarks,
        arguments.output,
        Screen(),
        fresh=arguments.fresh,
    )


def _inputs_of(arguments: argparse.Namespace) -> tuple[Config, Inputs]:
    """Return the configuration and where the workflow puts the files that tables are made of."""
    from trainfree.analysis.declaration import Inputs
    from trainfree.analysis.published import read_papers
    from trainfree.config import load_config
    from trainfree.files.suite import PUBLISHED, suite_path
    from trainfree.workflow import studies
    from trainfree.workflow.runs import ConfiguredRun

    published = arguments.published or suite_path(PUBLISHED)
    config = load_config(*configuration_files(arguments))
    run, folder = ConfiguredRun(config), _results(arguments, config)

    def below(paths: list[str]) -> tuple[Path, ...]:
        return tuple(folder / Path(path).relative_to(run.paths.results) for path in paths)

    return config, Inputs(
        scores=below(run.score_files),
        searches=below(run.search_files),
        shared=below(studies.sharing_beside(run)),
        board=below(studies.board_files(run)),
        benchmark=arguments.data / Path(run.benchmark).relative_to("data"),
        published=tuple(paper.path for paper in read_papers(published)),
        settings=config.table_settings,
    )


def _results(arguments: argparse.Namespace, config: Config) -> Path:
    """Return the folder of results: the named one, or that of the configuration."""
    named: Path | None = arguments.results
    return results_folder(config.run) if named is None else named
