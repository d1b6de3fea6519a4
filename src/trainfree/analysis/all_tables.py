"""Every table of a run from the files that exist: what a partly available run can give.

The workflow makes each table by a job of its own, which needs all its inputs. This is the same code
on whatever is there; cells that lack their input are named in the tables and on the log.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.registry import make_table, table_names, tables_of
from trainfree.errors import DataFileError
from trainfree.files.storage import read_header

LOG = logging.getLogger(__name__)


def tabulate_all(inputs: Inputs, folder: Path) -> list[str]:
    """Write every table of a run that can be made and return their names.

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
    benchmark = () if inputs.benchmark is None else (inputs.benchmark,)
    kinds = {"scores": inputs.scores, "search": inputs.searches, "benchmark": benchmark}
    found = []
    for kind, paths in kinds.items():
        for path in paths:
            try:
                if os.path.lexists(path):
                    read_header(path, kind)
            except DataFileError as error:
                found.append(str(error))
    return found


def _present(inputs: Inputs) -> Inputs:
    """Return the inputs that exist, to be left out where they cannot be used; name the others."""
    benchmark = () if inputs.benchmark is None else (inputs.benchmark,)
    for path in (*inputs.scores, *inputs.searches, *benchmark):
        if not path.is_file():
            LOG.warning("absent: %s", path)
    return replace(
        inputs,
        scores=tuple(path for path in inputs.scores if path.is_file()),
        searches=tuple(path for path in inputs.searches if path.is_file()),
        leave_out=True,
    )
