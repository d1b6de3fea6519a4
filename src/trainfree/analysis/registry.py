"""All tables there are: every file in the rooms of analysis that declares one is found by itself.

The workflow's targets, the commands, the page, the copies for the repository and ``status`` read
this list; nobody keeps another.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd

from trainfree.analysis.declaration import DECLARED, RUN, Inputs, Made, Table
from trainfree.analysis.origins import Place
from trainfree.analysis.published import Published
from trainfree.analysis.tables import names_of, read_table, without_constants, write_tables
from trainfree.errors import DataFileError, near_match
from trainfree.files.storage import read_header
from trainfree.files.writing import write_text

LOG = logging.getLogger(__name__)
_DECLARES = re.compile(r"^@table\(", flags=re.MULTILINE)


@cache
def tables() -> dict[str, Table]:
    """Return all declared tables by name, those that others are made from first."""
    here = Path(__file__).parent
    for path in sorted(here.glob("*/*.py")):
        if _DECLARES.search(path.read_text(encoding="utf-8")):
            importlib.import_module(f"trainfree.analysis.{path.parent.name}.{path.stem}")
    ordered: dict[str, Table] = {}

    def add(name: str) -> None:
        if name not in ordered:
            for other in DECLARED[name].after:
                add(other)
            ordered[name] = DECLARED[name]

    for name in sorted(DECLARED, key=lambda name: (DECLARED[name].place.rank, name)):
        add(name)
    return ordered


def tables_of(target: str = RUN) -> list[Table]:
    """Return the tables of a target of the workflow."""
    return [table for table in tables().values() if table.target == target]


def table_names(papers: Sequence[Published], target: str = RUN) -> list[str]:
    """Return the names of all tables of a target, those that others are made from first."""
    return [name for table in tables_of(target) for name in table.names_of(papers)]


def tables_before(table: Table, papers: Sequence[Published]) -> list[str]:
    """Return the names of the tables that a table is made from."""
    return [name for other in table.after for name in tables()[other].names_of(papers)]


def declared(name: str, papers: Sequence[Published] = ()) -> Table:
    """Return the table of a name; with the papers also one of several of a form.

    Raises
    ------
    DataFileError
        When there is no such table.
    """
    for table in tables().values():
        if table.is_named(name, papers):
            return table
    known = [name for table in tables().values() for name in table.names_of(papers)]
    raise DataFileError(
        f"no table {name!r}{near_match(name, known)}: expected one of {', '.join(known)}"
    )


def read_rows(name: str, path: Path) -> pd.DataFrame:
    """Read the CSV file of the table of a name.

    Raises
    ------
    DataFileError
        When it is missing or has other columns.
    """
    return read_table(path, declared(name).columns)


def section_of(name: str) -> str:
    """Return the section of the page in which a table stands, whether it is there or not.

    The names of the papers' tables are known to their files alone; what is not declared by name is
    taken for one of them.
    """
    for table in tables().values():
        if table.is_named(name, ()):
            return table.place.section
    return next(table.place.section for table in tables().values() if table.names is not None)


def make_table(name: str, inputs: Inputs, folder: Path) -> pd.DataFrame:
    """Make a table, write its files into a folder and return its rows.

    Raises
    ------
    DataFileError
        When there is no such table, an input is missing or damaged, or a file cannot be written.
    """
    table = declared(name, inputs.papers)
    made = table.make(inputs) if table.names is None else table.make(inputs, name)
    rank = table.place.rank
    if table.names is not None:  # several of one form keep the papers' order
        rank += 100 * min(paper.order for paper in inputs.papers)
        rank += table.names_of(inputs.papers).index(name)
    return _write(table, made, folder / name, Place(table.place.section, rank))


def _write(table: Table, made: Made, stem: Path, place: Place) -> pd.DataFrame:
    wanted = names_of(table.columns)
    if isinstance(made.rows, pd.DataFrame):
        frame = made.rows
    else:
        frame = pd.DataFrame(list(made.rows), columns=wanted)
    if list(frame.columns[: len(wanted)]) != wanted:
        raise ValueError(f"{table.module}: made other columns than it declares")
    title = made.title or table.title
    readable = table.show(frame) if made.shown is None else made.shown
    shown, title = without_constants(readable, table.once, title)
    write_tables(frame, shown, title, made.made_from, stem, place)
    if made.plain_text:
        write_text(stem.with_name(f"{stem.name}.txt"), made.plain_text)
    return frame


def tabulate_all(inputs: Inputs, folder: Path) -> list[str]:
    """Write every table of a run that its files allow, and return their names.

    The workflow makes each table by a job of its own, which needs all its inputs. This is the same
    code on whatever is there; cells that lack their input are named in the tables and on the log.

    Raises
    ------
    DataFileError
        When none of the inputs is there or readable, or the published numbers are malformed.
    """
    present = _present(inputs)
    if present.run.is_empty:
        raise DataFileError(
            f"no table can be made: none of {len(inputs.scores)} scores files, "
            f"{len(inputs.searches)} search files and {inputs.benchmark} is there and readable; "
            "run the workflow first, or name its folder with --results"
        )
    ready = replace(present, tables=tuple(folder / f"{n}.csv" for n in table_names(present.papers)))
    made: list[str] = []
    for table in tables_of():
        for name in table.names_of(ready.papers):
            try:
                make_table(name, ready, folder)
            except DataFileError as error:
                LOG.warning("%s: not made: %s", name, error)
            else:
                made.append(name)
    if not made:
        raise DataFileError("no table could be made; the reasons are above")
    return made


def unusable_files(inputs: Inputs) -> list[str]:
    """Return why files that are there cannot be used, one sentence a file."""
    found = []
    for kind, paths in _of_the_run(inputs).items():
        for path in paths:
            try:
                if os.path.lexists(path):
                    read_header(path, kind)
            except DataFileError as error:
                found.append(str(error))
    return found


def _of_the_run(inputs: Inputs) -> dict[str, tuple[Path, ...]]:
    """Return the data files of the run by their kind in storage."""
    benchmark = () if inputs.benchmark is None else (inputs.benchmark,)
    return {
        "scores": tuple(dict.fromkeys((*inputs.scores, *inputs.board))),
        "search": inputs.searches,
        "benchmark": benchmark,
        "weight_sharing": inputs.shared,
    }


def _present(inputs: Inputs) -> Inputs:
    """Return the inputs that exist, to be left out where they cannot be used; name the others."""
    for paths in _of_the_run(inputs).values():
        for path in paths:
            if not path.is_file():
                LOG.warning("absent: %s", path)
    return replace(
        inputs,
        scores=tuple(path for path in inputs.scores if path.is_file()),
        searches=tuple(path for path in inputs.searches if path.is_file()),
        shared=tuple(path for path in inputs.shared if path.is_file()),
        board=tuple(path for path in inputs.board if path.is_file()),
        leave_out=True,
    )
