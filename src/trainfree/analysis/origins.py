"""Which data files a table or figure was made from: a JSON file beside it.

``<stem>.json`` names each data file by what identifies it and holds the SHA-256 of the table's or
figure's own files. A page or a copy can so tell what belongs to its run from what another run left
in the folder, or what somebody put there. Of a table it holds the readable version too, cell by
cell, and where on the page that stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from trainfree.errors import DataFileError
from trainfree.files.small_files import read_bounded
from trainfree.files.writing import write_atomically, write_text
from trainfree.provenance import canonical_json

SUFFIX = "json"
SUFFIXES = (".csv", ".md", ".tex", f".{SUFFIX}")
"""Of the files of a table: for programs, for readers, and what it was made from."""
GENERATED = "generated"  # the source of accuracies that are made up
UNKNOWN = "table"  # the schema of a table that does not say what it was made from
LARGEST_TABLE = 4_000_000  # bytes; those of a whole run have up to 100,000
LARGEST_ORIGIN = LARGEST_TABLE + 1_000_000  # bytes; a hundred data files take 60,000
TABLE = "table"  # the key of the readable version, and of its hash
Apart = Literal["", "space", "setting"]


@dataclass(frozen=True)
class DataFile:
    """What identifies a data file: the attributes of which equal values mean equal content.

    Attributes
    ----------
    schema
        Its kind, a key of ``storage.SCHEMA_VERSIONS``; :data:`UNKNOWN` for a table of which no
        more is known than its name.
    space, dataset, setting, search
        What it is about, as far as that kind says so.
    config_hash, code_hash, source_hashes
        See :func:`trainfree.files.storage.provenance_attributes`; the last one is canonical JSON.
    accuracies
        Where its trained accuracies come from.
    is_generated
        Whether those accuracies are made up.
    """

    schema: str
    space: str = ""
    dataset: str = ""
    setting: str = ""
    search: str = ""
    config_hash: str = ""
    code_hash: str = ""
    source_hashes: str = ""
    accuracies: str = ""
    is_generated: bool = False

    @classmethod
    def of(cls, attributes: Mapping[Any, Any]) -> DataFile:
        """Return what the attributes of a data file say."""
        named = {
            field.name: str(attributes.get(field.name, ""))
            for field in fields(cls)
            if field.name not in ("accuracies", "is_generated")
        }
        is_benchmark = named["schema"] == "benchmark"
        accuracies = attributes.get("source_note" if is_benchmark else "accuracy_source", "")
        is_generated = is_benchmark and str(attributes.get("source", "")) == GENERATED
        return cls(**named, accuracies=str(accuracies), is_generated=is_generated)

    @property
    def sources(self) -> dict[str, str]:
        """The hashes of what it was made from, by role; empty where they cannot be read."""
        try:
            found = json.loads(self.source_hashes or "{}")
        except (ValueError, RecursionError):
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def __str__(self) -> str:
        place = (self.space, self.dataset, self.search or self.setting)
        return f"{self.schema} of {' / '.join(part for part in place if part) or '?'}"


@dataclass(frozen=True)
class MadeFrom:
    """What a table or figure is made from.

    Attributes
    ----------
    text
        In words, for its caption.
    files
        The data files.
    apart
        What may differ from the run in whose folder it stands: nothing, the space (the tables of
        another benchmark), or the setting of the scores too (scored for this table alone).
    """

    text: str = ""
    files: tuple[DataFile, ...] = ()
    apart: Apart = ""


class Place(NamedTuple):
    """Where a table stands on the page: its section, and its rank there, from the top."""

    section: str
    rank: int


NOWHERE = Place("", 0)
"""The place of what belongs to no section: among what is left."""


@dataclass(frozen=True)
class Readable:
    """The version of a table that people read.

    Attributes
    ----------
    title, made_from
        Its caption, and what it is made from in words.
    columns, rows
        Their titles, and the cells of each row, one text a column.
    section, rank
        Its :class:`Place` on the page.
    """

    title: str
    made_from: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    section: str = ""
    rank: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Readable:
        """Return the table of an origin file.

        Raises
        ------
        TypeError, ValueError, KeyError
            When it is no such table.
        """
        columns, rows = _texts(told["columns"]), tuple(map(_texts, told["rows"]))
        if any(len(row) != len(columns) for row in rows):
            raise ValueError("a row of the table has not one cell for each column")
        title, made_from, section = _texts([told[k] for k in ("title", "made_from", "section")])
        return cls(title, made_from, columns, rows, section, int(told["rank"]))


@dataclass(frozen=True)
class Origin:
    """An origin file.

    Attributes
    ----------
    files, apart
        The data files, and what of them may differ, see :class:`MadeFrom`.
    sha256
        Hash of each file that was made, by suffix.
    table
        Its readable version; None for a figure.
    """

    files: tuple[DataFile, ...]
    sha256: Mapping[str, str]
    apart: Apart = ""
    table: Readable | None = None

    def misfit(self, suffix: str, content: bytes) -> str:
        """Return why a file is not the one that was made; empty if it is."""
        if suffix not in self.sha256:
            return f"its origin file knows of no .{suffix}"
        if hashlib.sha256(content).hexdigest() != self.sha256[suffix]:
            return "its origin file is of another content: it was edited, or is of another run"
        return ""


def write_with_origin(
    stem: Path, contents: Mapping[str, bytes], made_from: MadeFrom, table: Readable | None = None
) -> None:
    """Write ``<stem>.<suffix>`` for each of the contents, and at last ``<stem>.json``.

    The same files from the same data give the same bytes. The readable version of a table is a
    part of the JSON file, with a hash of its own.

    Raises
    ------
    DataFileError
        When a file cannot be written; nothing half-written is left.
    """
    for suffix, content in contents.items():
        write_atomically(_beside(stem, suffix), partial(Path.write_bytes, data=content))
    unique = sorted({canonical_json(asdict(file)) for file in made_from.files})
    told: dict[str, Any] = {
        "apart": made_from.apart,
        "made_from": [json.loads(text) for text in unique],
        "sha256": {key: hashlib.sha256(value).hexdigest() for key, value in contents.items()},
    }
    if table is not None:
        told[TABLE] = asdict(table)
        told["sha256"][TABLE] = _hash_of(told[TABLE])
    write_text(_beside(stem, SUFFIX), json.dumps(told, indent=1, sort_keys=True) + "\n")


def read_origin(stem: Path) -> Origin:
    """Read ``<stem>.json``.

    Raises
    ------
    DataFileError
        When it is missing or no such file.
    """
    path = _beside(stem, SUFFIX)
    if not path.exists():
        raise DataFileError(
            f"{path}: there is no such file, which would say what {stem.name} was made from; "
            "make it again"
        )
    content = read_bounded(path, LARGEST_ORIGIN)
    try:
        told = json.loads(content)
        files = tuple(DataFile(**_checked(file)) for file in told["made_from"])
        hashes = {str(suffix): str(value) for suffix, value in told["sha256"].items()}
        apart = {"": "", "space": "space", "setting": "setting"}[told["apart"]]
        table = Readable.of(told[TABLE]) if TABLE in told else None
        edited = table is not None and hashes.get(TABLE) != _hash_of(told[TABLE])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataFileError(
            f"{path}: expected the keys apart, made_from and sha256 as trainfree writes them, "
            f"found something else ({error!r}); delete it and make {stem.name} again"
        ) from error
    if edited:
        raise DataFileError(f"{path}: its table was edited; make {stem.name} again")
    return Origin(files, hashes, apart, table)  # type: ignore[arg-type]  # one of the three, see above


def files_behind(table: Path) -> tuple[DataFile, ...]:
    """Return the data files that a table (CSV) was made from, for what is made from the table.

    Of a table that does not say so, or says so of other content, only the name is known.
    """
    unknown = (DataFile(UNKNOWN, table.name),)
    try:
        origin = read_origin(table.with_suffix(""))
        misfit = origin.misfit("csv", read_bounded(table, LARGEST_TABLE))
    except DataFileError:
        return unknown
    return unknown if misfit else origin.files


def data_files(files: Iterable[Mapping[Any, Any]]) -> tuple[DataFile, ...]:
    """Return what identifies data files, given by their attributes."""
    return tuple(map(DataFile.of, files))


def _checked(told: dict[str, Any]) -> dict[str, Any]:
    for key, value in told.items():
        if not isinstance(value, bool if key == "is_generated" else str):
            raise TypeError(f"{key} of a data file is {value!r}")
    return told


def _texts(told: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(text, str) for text in told):
        raise TypeError(f"expected a list of strings, found {str(told)[:80]!r}")
    return tuple(map(str, told))


def _hash_of(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(table).encode()).hexdigest()


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}.{suffix}")
