"""Commands that draw figures and write the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import (
    DEFAULT_RUN,
    OWN_CONFIG,
    command,
    own_configuration,
    results_folder,
)
from trainfree.workflow.paths import Paths

if TYPE_CHECKING:
    from trainfree.cli.command import Commands
    from trainfree.report.page.found import Found
    from trainfree.terminal.run import Run


def add_commands(commands: Commands) -> None:
    """Declare them."""
    scatter = command(commands, "plot-scores", _plot_scores, "plot scores against accuracy")
    scatter.add_argument("--scores", type=Path, required=True, help="merged scores")
    scatter.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    scatter.add_argument(
        "--proxies", nargs="+", required=True, help="proxies to plot, one figure each"
    )
    scatter.add_argument("--stem", type=Path, required=True, help="output path before -PROXY.svg")
    searches = command(
        commands, "plot-searches", _plot_searches, "plot accuracy found by searches against time"
    )
    searches.add_argument("--searches", type=Path, nargs="+", required=True, help="search files")
    searches.add_argument("--scores", type=Path, help="scores that guided them, for the caption")
    searches.add_argument("--benchmark", type=Path, help="trained accuracies, for the caption")
    proxies = command(commands, "plot-proxies", _plot_proxies, "plot the tables of proxies")
    proxies.add_argument("--scores", type=Path, required=True, help="merged scores")
    proxies.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    for table in ("proxies", "pairs", "outcomes", "top"):
        proxies.add_argument(f"--{table}", type=Path, required=True, help="table (CSV)")
    stability = command(commands, "plot-stability", _plot_stability, "plot how stable scores are")
    stability.add_argument(
        "--draws", type=Path, required=True, help="one of the files the table was made from"
    )
    stability.add_argument("--table", type=Path, required=True, help="table of stability (CSV)")
    panels = command(
        commands,
        "plot-score-panels",
        _plot_score_panels,
        "plot scores against accuracy for all data sets",
    )
    panels.add_argument("--proxies", nargs="+", required=True, help="proxies to plot")
    panels.add_argument("--published", type=Path, help="the paper's numbers, to show as well")
    tau = command(commands, "plot-tau", _plot_tau, "plot Kendall's tau of all proxies")
    tau.add_argument("--correlations", type=Path, required=True, help="table (CSV)")
    spaces = command(commands, "plot-spaces", _plot_spaces, "plot proxies on several spaces")
    spaces.add_argument("--spaces", type=Path, required=True, help="table (CSV)")
    spaces.add_argument("--ranks", type=Path, required=True, help="table of mean ranks (CSV)")
    readers = {
        "plot-sharing-ranking": (_plot_sharing_ranking, "plot rankings by shared weights"),
        "plot-sharing-epochs": (_plot_sharing_epochs, "plot what shared weights choose by epoch"),
    }
    for name, (handler, text) in readers.items():
        sharing = command(commands, name, handler, text)
        sharing.add_argument("--table", type=Path, required=True, help="its table (CSV)")
        sharing.add_argument("--dataset", required=True, help="image set")
        sharing.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    for parser in (panels, tau):
        parser.add_argument("--scores", type=Path, nargs="+", required=True, help="merged scores")
        parser.add_argument("--benchmark", type=Path, required=True, help="trained accuracies")
    for parser in (proxies, searches):
        parser.add_argument("--folder", type=Path, required=True, help="folder of the figures")
        parser.add_argument(
            "--suffix", required=True, help="end of the file names: what was scored"
        )
    for parser in (panels, searches):
        parser.add_argument("--settings", default="{}", help="settings of the tables as JSON")
    for parser in (stability, panels, tau, spaces):
        parser.add_argument("--stem", type=Path, required=True, help="output path, no suffix")
    report = command(commands, "report", _report, "write the HTML report from the existing results")
    report.add_argument("--results", type=Path, help="folder; default: the configuration's")
    report.add_argument("--data", type=Path, default=Path("data"), help="folder of input data")
    report.add_argument("--logs", type=Path, help="folder; default: the configuration's")
    report.add_argument("--scores", type=Path, nargs="*", help="default: all in --results")
    report.add_argument("--searches", type=Path, nargs="*", help="default: all in --results")
    report.add_argument("--benchmarks", type=Path, nargs="*", help="default: all in --data")
    report.add_argument("--templates", type=Path, help="folder; default: the suite's own")
    report.add_argument("--output", type=Path, help="default: report/index.html in --results")
    report.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        help=f"also list what is missing of this run; default: {OWN_CONFIG}, if it exists",
    )


def _plot_scores(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.scores import plot_score_accuracy

    stem: Path = arguments.stem
    stems = {proxy: stem.with_name(f"{stem.name}-{proxy}") for proxy in arguments.proxies}
    plot_score_accuracy(arguments.scores, arguments.benchmark, stems)


def _plot_searches(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.settings import AnalysisSettings
    from trainfree.report.figures.searches.best_so_far import plot_best_so_far
    from trainfree.report.figures.searches.search import plot_search
    from trainfree.report.figures.searches.search_lines import read_searches

    settings = AnalysisSettings.from_json(arguments.settings)
    searches = read_searches(arguments.searches)
    folder, suffix = arguments.folder, arguments.suffix
    made_with = (arguments.scores, arguments.benchmark)
    plot_search(searches, folder / f"search-{suffix}", *made_with)
    plot_best_so_far(searches, settings, folder / f"best_so_far-{suffix}", *made_with)


def _plot_score_panels(arguments: argparse.Namespace) -> None:
    from trainfree.analysis.settings import AnalysisSettings
    from trainfree.report.figures.score_panels import plot_score_panels

    settings = AnalysisSettings.from_json(arguments.settings)
    plot_score_panels(
        arguments.scores,
        arguments.benchmark,
        arguments.proxies,
        settings,
        arguments.stem,
        arguments.published,
    )


def _plot_tau(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.score_tau import plot_tau

    plot_tau(arguments.correlations, arguments.scores, arguments.benchmark, arguments.stem)


def _plot_proxies(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures import proxies as figures

    def stem(name: str) -> Path:
        folder: Path = arguments.folder
        return folder / f"{name}-{arguments.suffix}"

    scores, benchmark = arguments.scores, arguments.benchmark
    figures.plot_pairs(scores, arguments.pairs, stem("proxy_pairs"))
    figures.plot_outcomes(scores, benchmark, arguments.outcomes, stem("proxy_outcomes"))
    figures.plot_cost(scores, benchmark, arguments.proxies, stem("proxy_cost"))
    figures.plot_bias(scores, benchmark, arguments.proxies, stem("proxy_bias"))
    figures.plot_top(scores, benchmark, arguments.top, stem("proxy_top"))


def _plot_stability(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.proxies import plot_stability

    plot_stability(arguments.draws, arguments.table, arguments.stem)


def _plot_spaces(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.spaces import plot_spaces

    plot_spaces(arguments.spaces, arguments.ranks, arguments.stem)


def _plot_sharing_ranking(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.sharing.ranking import plot_sharing_ranking

    plot_sharing_ranking(arguments.table, arguments.dataset, arguments.stem)


def _plot_sharing_epochs(arguments: argparse.Namespace) -> None:
    from trainfree.report.figures.sharing.epochs import plot_sharing_epochs

    plot_sharing_epochs(arguments.table, arguments.dataset, arguments.stem)


def _report(arguments: argparse.Namespace) -> None:
    from trainfree.report.page.found import of_their_spaces
    from trainfree.report.page.page import TEMPLATES, Contents, render_report

    run = _configured_run(arguments)
    name = DEFAULT_RUN if run is None else run.name
    results, data = arguments.results or results_folder(name), arguments.data
    output = arguments.output or results / "report" / "index.html"
    scores, searches, benchmarks = (
        _named_or_found(named, folder, pattern, kind)
        for named, folder, pattern, kind in (
            (arguments.scores, results / "scores", "*/*/*.h5", "scores"),
            (arguments.searches, results / "search", "*/*/*.h5", "search"),
            (arguments.benchmarks, data / "benchmarks", "*.h5", "benchmark"),
        )
    )
    if arguments.benchmarks is None:
        benchmarks = of_their_spaces(benchmarks, (*scores.files, *searches.files))
    contents = Contents(
        tables=results / "tables",
        figures=results / "figures",
        scores=scores.files,
        searches=searches.files,
        benchmarks=benchmarks.files,
        costs=(arguments.logs or Path(Paths(name).logs)) / "benchmarks",
        absent={
            **scores.left_out,
            **searches.left_out,
            **benchmarks.left_out,
            **_absent(run),
        },
    )
    render_report(contents, output, arguments.templates or TEMPLATES)
    print(f"wrote {output}")


def _named_or_found(named: list[Path] | None, folder: Path, pattern: str, kind: str) -> Found:
    from trainfree.report.page.found import Found, find_files

    return find_files(folder, pattern, kind) if named is None else Found(tuple(named), {})


def _configured_run(arguments: argparse.Namespace) -> Run | None:
    """Return the run that the page is of, as far as a configuration says it."""
    own = arguments.results is None and own_configuration(arguments).is_file()
    if arguments.configfile is None and not own:
        return None
    from trainfree.cli.terminal import run_of

    arguments.folder = arguments.results.parent.parent if arguments.results else Path()
    return run_of(arguments)


def _absent(run: Run | None) -> dict[Path, str]:
    """Return what a configured run would have and is not there, and why."""
    if run is None:
        return {}
    from trainfree.terminal.status import missing_products

    return missing_products(run)
