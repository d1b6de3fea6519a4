"""The page that a reader opens: one HTML file with everything in it.

It is made from what there is: tables and figures of their folders, points of the scores files,
attributes of all data files. Tables and figures made from other data files are left out, and so is
what cannot be read; both are named with the reason. What is missing is named as missing, with the
reason where one is known.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from trainfree.analysis.admission import DataOfRun
from trainfree.analysis.formats import number
from trainfree.analysis.inputs import DATASET_TITLES
from trainfree.analysis.origins import data_files
from trainfree.analysis.overview.scoreboard import SCORES
from trainfree.analysis.registry import read_rows
from trainfree.errors import DataFileError
from trainfree.files.suite import suite_folder
from trainfree.files.writing import write_text
from trainfree.report.page.answers import read_answers
from trainfree.report.page.board import TABLE as BOARD
from trainfree.report.page.board import Board, read_board
from trainfree.report.page.downloads import Downloads
from trainfree.report.page.figures import FigureView, anchor_of, read_figures
from trainfree.report.page.gate import Gate
from trainfree.report.page.points import collect_points
from trainfree.report.page.provenance import costs_table, read_provenance
from trainfree.report.page.sections import FACTS, Section, arrange
from trainfree.report.page.tables import TableView, read_tables

LOG = logging.getLogger(__name__)

TEMPLATE = "report.html.j2"
TEMPLATES = suite_folder() / "reports" / "templates"
LARGEST_PAGE = 5_000_000  # bytes that a mail still takes and a browser opens at once
_PLAIN_NUMBER = re.compile(r"-?\d{1,12}(\.\d+)?")
_COUNT = re.compile(r"[0-9]{1,9}")
_COUNTED_ELSEWHERE = ("published cells reproduced", "reproduced of ")


@dataclass(frozen=True)
class Contents:
    """What the page is made of; each of them may be missing or not exist.

    Attributes
    ----------
    tables, figures
        Folders, ``results/tables`` and ``results/figures``.
    scores, searches, benchmarks
        Data files; their attributes are shown, and the points of the scores.
    costs
        Folder of Snakemake's benchmark files, ``logs/benchmarks``.
    absent
        Files that a complete run has and this one lacks, and why.
    """

    tables: Path
    figures: Path
    scores: Sequence[Path] = ()
    searches: Sequence[Path] = ()
    benchmarks: Sequence[Path] = ()
    costs: Path | None = None
    absent: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """A line of the summary."""

    metric: str
    value: str
    unit: str
    note: str


def render_report(contents: Contents, output: Path, templates: Path = TEMPLATES) -> None:
    """Write the report.

    Parameters
    ----------
    contents
        What it is made of.
    output
        The HTML file.
    templates
        Folder with ``report.html.j2``; by default the suite's own.

    Raises
    ------
    DataFileError
        When a data file is damaged, a template is missing, or the page cannot be written. A table
        or figure that is damaged is no error: the page names it.
    """
    provenance = read_provenance(contents.scores, contents.searches, contents.benchmarks)
    gate = Gate(DataOfRun(data_files(made.attributes for made in provenance.files)))
    tables, figures = read_tables(contents.tables, gate), read_figures(contents.figures, gate)
    points = collect_points(contents.scores, contents.benchmarks)
    board = _board(contents, tables, gate)
    verdicts = _verdicts(tables.get("scoreboard"))
    answers, failed = read_answers(tables, contents.tables, board, verdicts)
    for path, error in failed:
        gate.leave_out(path, error)
    downloads = _downloads(tables, figures, board).payload()
    facts = _facts(contents.tables / "summary.csv", tables, gate)
    costs = _costs(contents.costs, gate)
    sections = arrange(tables, figures, contents.absent, [name for name, _ in gate.left_out])
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["anchor"] = anchor_of
    names = ("report.js", "downloads.js", *(("scatter.js",) if points.sets else ()))
    try:
        scripts = [Markup(environment.get_template(name).render()) for name in names]
        html = environment.get_template(TEMPLATE).render(
            facts=facts,
            left_out=gate.left_out,
            verdicts=verdicts,
            answers=answers,
            board=board,
            downloads=downloads,
            sections=sections,
            points=points.payload() if points.sets else None,
            omitted=points.omitted,
            provenance=provenance,
            missing_files=_missing_files(contents),
            missing_count=_missing_count(sections, contents),
            searches_table=provenance.searches_table(),
            costs_table=costs,
            scripts=scripts,
            policy=content_policy(scripts),
        )
    except TemplateError as error:
        raise DataFileError(
            f"{templates / TEMPLATE}: the page's template is missing or wrong ({error!r}); "
            "give the folder reports/templates of a checkout, or install trainfree again"
        ) from error
    for what, reason in gate.left_out:
        LOG.warning("left out: %s: %s", what, reason)
    html = html.encode(errors="replace").decode()  # names of files and texts in them may hold
    size = len(html.encode())  # halves of pairs of UTF-16, which no text has
    if size > LARGEST_PAGE:
        LOG.warning("%s: %s bytes, more than a mail takes", output, number(size, 0))
    write_text(output, html)


def content_policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy: these scripts run, nothing else does, nothing is fetched.

    It is the second fence: what comes from files is escaped or written anew in the first place.
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts)
    allowed = " ".join(f"'sha256-{each.decode()}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _facts(path: Path, tables: Mapping[str, TableView], gate: Gate) -> dict[str, list[Fact]]:
    if path.stem not in tables:
        return {}
    try:
        return summary_facts(path, with_counts="scoreboard" in tables)
    except DataFileError as error:
        gate.leave_out(path, error)
        return {}


def _board(contents: Contents, tables: Mapping[str, TableView], gate: Gate) -> Board | None:
    if BOARD not in tables:
        return None
    path = contents.tables / f"{BOARD}.csv"
    try:
        return read_board(path, contents.scores, contents.benchmarks)
    except DataFileError as error:
        gate.leave_out(path, error)
        return None


def _downloads(
    tables: Mapping[str, TableView], figures: Mapping[str, FigureView], board: Board | None
) -> Downloads:
    found = Downloads()
    for table in tables.values():
        found.add(table.file, table.content)
    for name, figure in figures.items():
        for suffix, content in figure.contents.items():
            if suffix == "svg" or "svg" not in figure.contents:
                found.add(f"figures/{name}.{suffix}", content)
    if board is not None and board.plot_file:
        found.add("proxies-by-cost.svg", board.plot_file)
    return found


def _costs(folder: Path | None, gate: Gate) -> TableView | None:
    try:
        return None if folder is None else costs_table(folder)
    except DataFileError as error:
        gate.leave_out(folder or Path(), error)
        return None


def summary_facts(path: Path, *, with_counts: bool = False) -> dict[str, list[Fact]]:
    """Return the lines of the summary by data set, the empty name where there is only one.

    Parameters
    ----------
    path
        ``summary.csv``; without it the result is empty.
    with_counts
        Leave out the counts of verdicts, which stand in the scoreboard beside it.

    Raises
    ------
    DataFileError
        When the file is no such table.
    """
    if not path.is_file():
        return {}
    frame = read_rows(FACTS, path)
    groups: dict[str, list[Fact]] = {}
    for row in frame.to_dict("records"):
        metric = str(row["metric"])
        if with_counts and metric.startswith(_COUNTED_ELSEWHERE):
            continue
        group, colon, rest = metric.rpartition(": ")
        dataset, comma, setting = group.partition(", ")
        title = f"{DATASET_TITLES.get(dataset, dataset)}{comma}{setting}"
        value = _summary_value(str(row["value"]))
        fact = Fact(rest if colon else metric, value, str(row["unit"]), str(row["note"]))
        groups.setdefault(title, []).append(fact)
    return groups


def _summary_value(text: str) -> str:
    if not _PLAIN_NUMBER.fullmatch(text):
        return text or "–"
    value = float(text)
    if value.is_integer():
        return number(value, 0)
    return number(value, 3 if abs(value) < 1 else 2)


def _verdicts(scoreboard: TableView | None) -> list[tuple[str, int]]:
    """Return the verdicts of the scoreboard's columns with their sums; none without scoreboard."""
    if scoreboard is None:
        return []
    words = [name.lower() for name in scoreboard.columns[1 : 1 + len(SCORES)]]
    orders = [[row[place].order for row in scoreboard.rows] for place in range(1, len(words) + 1)]
    if not all(_COUNT.fullmatch(order) for column in orders for order in column):
        return []
    return [(word, sum(map(int, column))) for word, column in zip(words, orders, strict=True)]


def _missing_files(contents: Contents) -> list[tuple[str, str]]:
    """Return the data files that are not there, and why."""
    named = (*contents.scores, *contents.searches, *contents.benchmarks)
    reasons = {path: "there is no such file" for path in named if not path.is_file()}
    reasons |= {path: why for path, why in contents.absent.items() if path.suffix == ".h5"}
    kinds = {"scores": contents.scores, "trained accuracies": contents.benchmarks}
    return [
        *((str(path), why) for path, why in reasons.items()),
        *((f"any file of {kind}", "none was given or found") for kind in kinds if not kinds[kind]),
    ]


def _missing_count(sections: Sequence[Section], contents: Contents) -> int:
    return sum(len(section.missing) for section in sections) + len(_missing_files(contents))
