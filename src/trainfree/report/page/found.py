"""Data files in a folder, told by what they are and not by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainfree.errors import DataFileError, UnreadableFileError
from trainfree.files.reading import files_below
from trainfree.files.storage import SCHEMA_VERSIONS, read_header


class Found(NamedTuple):
    """Files of a kind in a folder.

    Attributes
    ----------
    files
        Those of the kind, sorted.
    left_out
        Those that cannot be read, and why. Files of other kinds are none of either.
    """

    files: tuple[Path, ...]
    left_out: Mapping[Path, str]


def find_files(folder: Path, pattern: str, kind: str) -> Found:
    """Return the data files of a kind below a folder; what stands beside them does no harm.

    Parameters
    ----------
    pattern
        As of :meth:`pathlib.Path.glob`.
    kind
        Of :data:`~trainfree.files.storage.SCHEMA_VERSIONS`.
    """
    files: list[Path] = []
    left_out: dict[Path, str] = {}
    try:
        paths = files_below(folder, pattern)
    except UnreadableFileError as error:
        return Found((), {folder: str(error).removeprefix(f"{folder}: ")})
    for path in paths:
        try:
            read_header(path, kind)
        except UnreadableFileError as error:
            left_out[path] = str(error).removeprefix(f"{path}: ")
        except DataFileError as error:
            if not _is_any_of(path, SCHEMA_VERSIONS):
                left_out[path] = str(error).removeprefix(f"{path}: ")
        else:
            files.append(path)
    return Found(tuple(files), left_out)


def of_their_spaces(benchmarks: Found, files: Sequence[Path]) -> Found:
    """Return the benchmarks of the spaces of scores and searches; all where there are none.

    Benchmarks of all runs lie in one folder.
    """
    spaces = {_space_of(path) for path in files}
    if not spaces:
        return benchmarks
    kept = tuple(path for path in benchmarks.files if _space_of(path) in spaces)
    return benchmarks._replace(files=kept)


def _space_of(path: Path) -> str:
    for kind in ("scores", "search", "benchmark"):
        try:
            return str(read_header(path, kind)[0].get("space", ""))
        except DataFileError:
            continue
    return ""


def _is_any_of(path: Path, kinds: Iterable[str]) -> bool:
    return any(_is_of(path, kind) for kind in kinds)


def _is_of(path: Path, kind: str) -> bool:
    try:
        read_header(path, kind)
    except DataFileError:
        return False
    return True
