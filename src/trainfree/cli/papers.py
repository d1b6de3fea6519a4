"""Commands that set the papers' tables beside ours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import (
    DEFAULT_RUN,
    add_configfile,
    command,
    configuration_files,
    results_folder,
)

if TYPE_CHECKING:
    from trainfree.analysis.all_tables import Files
    from trainfree.cli.command import Commands
    from trainfree.config import Config


def add_commands(commands: Commands) -> None:
    """Declare them."""
    table = command(commands, "tabulate", _tabulate, "set the papers' tables beside ours")
    table.add_argument("names", nargs="+", help="file names of the tables, without suffix")
    table.add_argument("--scores", type=Path, nargs="*", default=[])
    table.add_argument("--searches", type=Path, nargs="*", default=[])
    table.add_argument("--benchmark", type=Path)
    table.add_argument("--published", type=Path, nargs="*", default=[])
    table.add_argument("--settings", required=True, help="settings of the tables as JSON")
    table.add_argument("--folder", type=Path, required=True, help="folder of the output")
    board = command(commands, "scoreboard", _scoreboard, "count the verdicts")
    board.add_argument("--comparisons", type=Path, nargs="+", required=True)
    board.add_argument("--folder", type=Path, required=True, help="folder of the output")
    every = command(commands, "tables", _tables, "make every table that the existing files allow")
    copy = command(commands, "publish-tables", _publish_tables, "copy tables for the repository")
    copy.add_argument("--output", type=Path, default=Path("reports/measured"))
    one = command(commands, "publish-table", _publish_table, "copy one table for the repository")
    one.add_argument("names", nargs="+", help="file names of tables, without suffix")
    one.add_argument("--results", type=Path, default=results_folder(DEFAULT_RUN), help="folder")
    one.add_argument("--output", type=Path, default=Path("reports/measured"))
    one.add_argument("--scores", type=Path, nargs="*", default=[], help="files behind the table")
    one.add_argument("--benchmark", type=Path, required=True, help="file behind the table")
    one.add_argument("--command", required=True, help="what made the table, for its reader")
    for parser in (every, copy):
        add_configfile(parser)
        parser.add_argument("--results", type=Path, help="default: the configuration's own")
        parser.add_argument("--data", type=Path, default=Path("data"))
        parser.add_argument("--published", type=Path, default=Path("reports/published"))


def _tabulate(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.all_tables import tabulate_one
    from trainfree.analysis.published import read_published
    from trainfree.analysis.run_files import RunFiles
    from trainfree.analysis.settings import AnalysisSettings

    run = RunFiles(arguments.scores, arguments.searches, arguments.benchmark)
    published = [read_published(path) for path in arguments.published]
    settings = AnalysisSettings.from_json(arguments.settings)
    for name in arguments.names:
        tabulate_one(name, run, published, settings, arguments.folder / name)


def _scoreboard(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.overview.scoreboard import tabulate_scoreboard

    tabulate_scoreboard(arguments.comparisons, arguments.folder)


def _tables(arguments: argparse.Namespace) -> int:
    from trainfree.analysis.all_tables import tabulate_all, unusable_files
    from trainfree.analysis.settings import AnalysisSettings

    config, files = _run_files(arguments)
    settings = AnalysisSettings.from_json(config.table_settings_json)
    made = tabulate_all(files, _results(arguments, config) / "tables", settings)
    print(f"made {len(made)} tables: {', '.join(made)}")
    unusable = unusable_files(files)
    if unusable:
        listed = "".join(f"\n  {sentence}" for sentence in unusable)
        print(f"trainfree: error: tables lack what these files hold:{listed}", file=sys.stderr)
    return int(bool(unusable))


def _publish_tables(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.publish import publish_tables

    config, files = _run_files(arguments)
    names = " ".join(str(path) for path in configuration_files(arguments))
    publish_tables(
        _results(arguments, config) / "tables",
        arguments.output,
        files.published,
        files.scores,
        files.searches,
        files.benchmark,
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


def _run_files(arguments: argparse.Namespace) -> tuple[Config, Files]:
    """Return the configuration and where the workflow puts the files that tables are made of."""
    from trainfree.analysis.all_tables import Files
    from trainfree.analysis.published import read_papers
    from trainfree.config import load_config

    config = load_config(*configuration_files(arguments))
    folder = _results(arguments, config)
    return config, Files(
        scores=tuple(folder / path for path in config.score_paths()),
        searches=tuple(folder / path for path in config.search_paths()),
        benchmark=arguments.data / "benchmarks" / f"{config.space}.h5",
        published=tuple(paper.path for paper in read_papers(arguments.published)),
    )


def _results(arguments: argparse.Namespace, config: Config) -> Path:
    """Return the folder of results: the named one, or that of the configuration."""
    named: Path | None = arguments.results
    return results_folder(config.run) if named is None else named
