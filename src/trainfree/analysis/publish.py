"""A copy of a run's tables for the repository, so that its readers see the results.

Markdown and CSV files, each Markdown file with a line on what made it, and a page that lists
them. The same tables give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trainfree.analysis.admission import OF_THE_RUN, DataOfRun
from trainfree.analysis.declaration import DECLARED, Inputs, Table
from trainfree.analysis.inputs import score_settings
from trainfree.analysis.origins import LARGEST_TABLE, data_files, read_origin
from trainfree.analysis.overview.scoreboard import count_verdicts
from trainfree.analysis.papers.comparison import COLUMNS
from trainfree.analysis.published import Published, find_table
from trainfree.analysis.registry import tables_of
from trainfree.analysis.tables import markdown_text, read_table
from trainfree.errors import DataFileError
from trainfree.files.reading import read_text
from trainfree.files.small_files import read_bounded
from trainfree.files.storage import open_dataset, read_header
from trainfree.files.writing import write_text

if TYPE_CHECKING:
    import xarray as xr

INDEX = "README.md"
SCOREBOARD = "scoreboard"


def publish_tables(
    tables: Path,
    output: Path,
    inputs: Inputs,
    command: str,
) -> None:
    """Write a copy of the tables with their provenance.

    Parameters
    ----------
    tables
        ``results/tables`` of a finished run.
    output
        Folder of the copy, ``reports/measured``.
    inputs
        The files behind the tables.
    command
        What made the tables, for the reader.

    Raises
    ------
    DataFileError
        When a table or file is missing, of another layout, or was made from other data files;
        nothing is written then.
    """
    papers, benchmark = inputs.papers, inputs.file("benchmark")
    check_layout(tables, papers)
    line = provenance_line(inputs.scores, [benchmark], command)
    behind = {"scores": inputs.scores, "search": inputs.searches, "benchmark": [benchmark]}
    elsewhere = tables_of_other_spaces(papers)
    names = [
        name for table in _copied() for name in table.names_of(papers) if name not in elsewhere
    ]
    for name in names:
        check_origin(tables / name, behind)
    for name in names:
        _copy(tables / name, output, line)
    write_index(output)


def publish_one(
    name: str,
    tables: Path,
    output: Path,
    scores: Sequence[Path],
    benchmarks: Sequence[Path],
    command: str,
) -> None:
    """Write a copy of a table of another run, with its own provenance, beside those of the run.

    The parameters are those of :func:`publish_tables`; ``scores`` may be empty. A table of several
    spaces has several benchmarks.

    Raises
    ------
    DataFileError
        When the table or a file behind it is missing, or it was made from other data files.
    """
    path = tables / f"{name}.md"
    if not path.is_file():
        raise DataFileError(f"{path}: no such table; make it first with {command}")
    line = provenance_line(scores, benchmarks, command)
    check_origin(tables / name, {"scores": scores, "benchmark": benchmarks})
    _copy(tables / name, output, line)
    write_index(output)


def tables_of_other_spaces(papers: Sequence[Published]) -> set[str]:
    """Return the published tables of another space than the rest of their paper.

    The papers' run holds none of their numbers; a run of their space makes and publishes them.
    """
    return {table.name for paper in papers for table in paper.tables if table.elsewhere}


def _copy(stem: Path, output: Path, line: str) -> None:
    """Copy a table, with a line on what made it."""
    readable, rows = (read_text(stem.with_name(f"{stem.name}.{kind}")) for kind in ("md", "csv"))
    write_text(output / f"{stem.name}.md", f"{readable}\n{line}\n")
    write_text(output / f"{stem.name}.csv", rows)


def write_index(folder: Path) -> None:
    """Write the page that lists the tables of a folder, those of the run with the scoreboard first.

    It counts the verdicts of all published tables there, also of those that another run made.

    Raises
    ------
    DataFileError
        When the scoreboard or a published table is damaged, or the page cannot be written.
    """
    if not (folder / f"{SCOREBOARD}.md").is_file():
        return
    texts = {
        path.stem: read_text(path).rstrip().split("\n")
        for path in sorted(folder.glob("*.md"))
        if path.name != INDEX
    }
    line = texts[SCOREBOARD][-1]
    links: dict[bool, list[str]] = {True: [], False: []}
    for name, text in texts.items():
        links[text[-1] == line].append(f"- [{name}]({name}.md): {text[0].strip('*')}")
    counted = _verdicts_in(folder)
    write_text(folder / INDEX, _index(counted, links[True], links[False], line))


def _verdicts_in(folder: Path) -> pd.DataFrame:
    """Return the verdicts of a folder's published tables, in the order of its scoreboard."""
    board = read_table(folder / f"{SCOREBOARD}.csv", DECLARED[SCOREBOARD].columns)
    paths = [folder / f"{name}.csv" for name in board["table"]]
    cells = [read_table(path, COLUMNS) for path in paths if path.exists()]
    return count_verdicts(pd.concat(cells)) if cells else board[:0]


def check_layout(folder: Path, papers: Sequence[Published]) -> None:
    """Check that the tables of a folder are those of the current code and published numbers.

    Tables of other spaces may be missing: another run makes them.

    Raises
    ------
    DataFileError
        Naming the first table that is missing, has other columns, or other rows than the
        published table it stands beside.
    """
    elsewhere = tables_of_other_spaces(papers)
    for table in _copied():
        for name in table.names_of(papers):
            if name in elsewhere and not (folder / f"{name}.csv").exists():
                continue
            frame = read_table(folder / f"{name}.csv", table.columns)
            if table.names is None:  # none of the papers
                continue
            keys = ["table", "row", "column"]
            found = list(frame[keys].itertuples(index=False, name=None))
            wanted = [(name, cell.row, cell.column) for cell, _ in find_table(papers, name).cells]
            if found != wanted:
                raise DataFileError(
                    f"{folder / name}.csv: its cells are not those of the published table; "
                    "make the tables again and publish them"
                )


def _copied() -> list[Table]:
    return [table for table in tables_of() if table.copied]


def check_origin(stem: Path, behind: Mapping[str, Sequence[Path]]) -> None:
    """Check that a table is as it was made, and made from these data files.

    Parameters
    ----------
    stem
        The table without suffix.
    behind
        Data files by their kind; of a kind without any file nothing is checked.

    Raises
    ------
    DataFileError
        When it is not.
    """
    origin = read_origin(stem)
    headers = [
        read_header(path, kind)[0]
        for kind, paths in behind.items()
        for path in paths
        if path.is_file()
    ]
    named = tuple(f for f in origin.files if f.schema not in OF_THE_RUN or behind.get(f.schema))
    reason = DataOfRun(data_files(headers)).why_not(replace(origin, files=named))
    for suffix in ("csv", "md"):
        path = stem.with_name(f"{stem.name}.{suffix}")
        reason = reason or origin.misfit(suffix, read_bounded(path, LARGEST_TABLE))
    if reason:
        raise DataFileError(f"{stem}: {reason}; make the table again and publish it")


def provenance_line(scores: Sequence[Path], benchmarks: Sequence[Path], command: str) -> str:
    """Return one line: what was run on which files, with their hashes, device and libraries."""
    parts = []
    attributes: Mapping[str, object] = {}
    for path in scores:
        with open_dataset(path, "scores") as scored:
            attributes = dict(scored.attrs)
            parts.append(_scores_text(scored, path, several=len(benchmarks) > 1))
    for path in benchmarks:
        with open_dataset(path, "benchmark") as trained:
            source = trained.attrs.get("source_note", "source not recorded")
            parts.append(f"trained accuracies {trained.attrs['config_hash']}: {source}")
            attributes = attributes or dict(trained.attrs)
    libraries = json.loads(str(attributes.get("libraries", "{}")))
    versions = ", ".join(f"{name} {libraries[name]}" for name in sorted(libraries))
    return (
        f"*Measured by trainfree {attributes.get('trainfree_version', '?')} with `{command}`: "
        f"{'; '.join(parts)}; {versions}.*"
    )


def _scores_text(scored: xr.Dataset, path: Path, several: bool) -> str:
    settings = score_settings(scored, path)
    images = " on stand-in images" if int(scored.attrs.get("stand_in", 0)) else ""
    space = f"{settings['space']}, " if several else ""
    return (
        f"scores of {space}{settings['dataset']}{images}, setting {settings['setting']}, "
        f"config {scored.attrs['config_hash']}, code {scored.attrs['code_hash']}, "
        f"{scored.attrs['device']}"
    )


def _index(counted: pd.DataFrame, own: list[str], others: list[str], line: str) -> str:
    readable = counted.set_axis(
        [name.replace("_", " ").capitalize() for name in counted.columns], axis=1
    )
    title = "Published cells by verdict; cells without input count as not comparable"
    return "\n".join(
        [
            "# Measured tables",
            "",
            "A copy of one run's tables, made by `make paper-tables`; do not edit it.",
            "",
            markdown_text(readable, title),
            *own,
            "",
            line,
            "",
            "## From other runs",
            "",
            "Each table names the command that made it: NAS-Bench-101",
            "(`make nasbench101-tables`), a comparison of proxies (`make proxy-tables`), also with",
            "published scores (`make agreement-table`), NATS-Bench's size space",
            "(`make sizes-table`), several spaces (`make spaces-tables`) and model zoos",
            "(`make zoo-table`).",
            "",
            *others,
            "",
        ]
    )
