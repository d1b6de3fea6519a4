"""``trainfree compare``: which scores, searches and tables of two folders differ, and how much."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.analysis.formats import count_of
from trainfree.errors import DataFileError, UnreadableFileError
from trainfree.files.reading import files_below, is_there
from trainfree.files.storage import read_dataset
from trainfree.terminal.differences import (
    Difference,
    dataset_differences,
    provenance_differences,
    read_table,
    table_differences,
)
from trainfree.terminal.screen import Screen

_KINDS = {"scores": "scores/**/*.h5", "search": "search/**/*.h5", "table": "tables/*.csv"}
_SHOWN = 12


@dataclass(frozen=True)
class Comparison:
    """One file of both folders.

    Attributes
    ----------
    name, kind
        Path below the folders, and ``scores``, ``search`` or ``table``.
    problem
        Why it cannot be compared, or an empty string.
    unreadable
        Whether that is because it cannot be read, so that nothing is known of its content.
    differences, provenance
        What differs in it.
    """

    name: str
    kind: str
    problem: str = ""
    unreadable: bool = False
    differences: Sequence[Difference] = ()
    provenance: Counter[str] = field(default_factory=Counter)

    def is_equal(self, times: bool) -> bool:
        """Whether the results are the same; measured times count only with ``times``."""
        return not self.problem and all(one.measured and not times for one in self.differences)


def compare_results(first: Path, second: Path, screen: Screen, *, times: bool = False) -> int:
    """Write how two folders of results differ.

    Parameters
    ----------
    times
        Count measured times as results.

    Returns
    -------
    int
        Exit status: 0 when all results are equal, otherwise 1. A difference in provenance alone
        is written but is none of the results.

    Raises
    ------
    DataFileError
        When a folder is not there, cannot be read or has no results.
    """
    found = [_files(folder) for folder in (first, second)]
    pairs = sorted({*found[0], *found[1]})
    compared = [
        _compare(first / name, second / name, name, found[0].get(name) or found[1][name])
        for name in pairs
        if not _is_in_merged(name, found)
    ]
    screen.line(f"{first} → {second}")
    for kind in _KINDS:
        _show_kind(kind, [one for one in compared if one.kind == kind], screen, times)
    _show_provenance(compared, screen)
    equal = all(one.is_equal(times) for one in compared)
    screen.line()
    if equal:
        verdict = "the results are equal"
    elif all(one.is_equal(times) or one.unreadable for one in compared):
        files = count_of(sum(one.unreadable for one in compared), "file")
        verdict = f"{files} cannot be read: whether the results differ is not known"
    else:
        verdict = "the results differ"
    screen.line(verdict)
    return int(not equal)


def _files(folder: Path) -> dict[str, str]:
    """Return the kind of each file of results by its path below the folder."""
    found = {
        path.relative_to(folder).as_posix(): kind
        for kind, pattern in _KINDS.items()
        for path in files_below(folder, pattern)
    }
    if not found:
        problem = "has no scores, searches or tables" if folder.is_dir() else "is not a directory"
        raise DataFileError(
            f"{folder}: {problem}; expected a folder like results/ with scores/, search/ or tables/"
        )
    return found


def _is_in_merged(name: str, found: Sequence[dict[str, str]]) -> bool:
    """Whether it is a shard whose rows stand in merged files of both folders."""
    folder, shards, _ = name.rpartition("/shards/")
    return bool(shards) and all(f"{folder}.h5" in files for files in found)


def _compare(first: Path, second: Path, name: str, kind: str) -> Comparison:
    try:
        for path, place in ((first, "second"), (second, "first")):
            if not is_there(path):
                return Comparison(name, kind, f"only in the {place}")
        if kind == "table":
            rows = [read_table(path) for path in (first, second)]
            return Comparison(name, kind, differences=tuple(table_differences(first.stem, *rows)))
        ours, theirs = (read_dataset(path, kind) for path in (first, second))
    except UnreadableFileError as error:
        return Comparison(name, kind, str(error), unreadable=True)
    except DataFileError as error:
        return Comparison(name, kind, f"damaged: {error}")
    return Comparison(
        name,
        kind,
        differences=tuple(dataset_differences(ours, theirs)),
        provenance=provenance_differences(ours.attrs, theirs.attrs),
    )


def _show_kind(kind: str, compared: Sequence[Comparison], screen: Screen, times: bool) -> None:
    if not compared:
        return
    equal = sum(one.is_equal(times) for one in compared)
    only_times = sum(one.is_equal(times) and bool(one.differences) for one in compared)
    note = f", {only_times} of them but for measured times" if only_times else ""
    names = {"scores": "Scores", "search": "Searches", "table": "Tables"}
    screen.title(f"{names[kind]}: {equal} of {len(compared)} equal{note}")
    rows = [row for one in compared for row in _rows(one, times)]
    if rows:
        screen.table(("file", "what", ">differ", ">of", ">largest", "first"), rows)


def _rows(one: Comparison, times: bool) -> list[tuple[str, str, str, str, str, str]]:
    if one.problem:
        return [(one.name, one.problem, "", "", "", "")]
    shown = [difference for difference in one.differences if times or not difference.measured]
    rows = [
        (
            one.name,
            entry.what,
            str(entry.differing),
            str(entry.count),
            "" if math.isnan(entry.largest) else f"{entry.largest:.3g}",
            entry.example,
        )
        for entry in shown[:_SHOWN]
    ]
    if len(shown) > _SHOWN:
        rows.append((one.name, f"and {len(shown) - _SHOWN} more", "", "", "", ""))
    return rows


def _show_provenance(compared: Sequence[Comparison], screen: Screen) -> None:
    files = [one for one in compared if one.kind != "table" and not one.problem]
    total: Counter[str] = Counter()
    for one in files:
        total.update(one.provenance)
    if not files:
        return
    screen.title(f"Provenance: {'differs' if total else 'equal'}")
    if total:
        screen.table(
            (">files", "attribute"), [(count, text) for text, count in total.most_common()]
        )
