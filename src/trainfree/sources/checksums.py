"""Hashes of files, and what happens to a file that is not the one it should be."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainfree.errors import HashMismatchError, SourceError
from trainfree.files.writing import write_atomically
from trainfree.sources.formats.reading import is_folder, is_there, opened
from trainfree.sources.formats.wrong_files import surprise

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """A published hash: the algorithm's name for :mod:`hashlib` and the hexadecimal digest."""

    algorithm: str
    digest: str


def file_digests(path: Path, *algorithms: str) -> dict[str, str]:
    """Return the hexadecimal digest of a file by each algorithm, reading the file once.

    Raises
    ------
    SourceError
        When the file is no regular file or the system does not hand it over.
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with opened(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            for digest in hashes.values():
                digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def verify(path: Path, checksum: Checksum | None) -> str:
    """Return the SHA-256 of a file after comparing it with the published checksum, if any.

    Raises
    ------
    HashMismatchError
        Names the file, the hash expected and the hash found. The file is left where it is.
    """
    if checksum is None:
        return file_digests(path, "sha256")["sha256"]
    found = file_digests(path, "sha256", checksum.algorithm)
    if found[checksum.algorithm] != checksum.digest:
        raise HashMismatchError(mismatch(path, checksum, found[checksum.algorithm], path.name))
    return found["sha256"]


def mismatch(path: Path, checksum: Checksum, found: str, name: str) -> str:
    """Return the sentence that says which hash was expected of ``path`` and which was found.

    ``name`` is what the file is called when it is the right one.
    """
    return (
        f"{path}: expected {checksum.algorithm} {checksum.digest}, "
        f"found {found} ({path.stat().st_size} bytes){surprise(path, name)}"
    )


def set_aside(path: Path, name: str) -> Path:
    """Rename a corrupt file to ``<name>.corrupt-<first 8 of its SHA-256>`` in its own folder."""
    aside = path.with_name(f"{name}.corrupt-{file_digests(path, 'sha256')['sha256'][:8]}")
    return path.replace(aside)


def cached(path: Path, checksum: Checksum, download: Callable[[Path], None]) -> str:
    """Make sure that ``path`` is the verified file and return its SHA-256.

    A verified file that is already there is used as it is. Otherwise ``download`` is called with
    a temporary path; the final name only ever holds a complete, verified file.

    Raises
    ------
    HashMismatchError
        When the download is not the promised file. What came is kept under another name.
    SourceError
        What ``download`` raises.
    DataFileError
        When the file cannot be written.
    """
    if is_there(path) and not is_folder(path):
        try:
            return verify(path, checksum)
        except HashMismatchError as error:
            try:
                aside = set_aside(path, path.name)
            except OSError as denied:
                raise SourceError(f"{error}; and it cannot be set aside ({denied})") from denied
            logger.warning("%s; set aside as %s, downloading again", error, aside.name)
    digests: list[str] = []

    def write(temporary: Path) -> None:
        download(temporary)
        found = file_digests(temporary, "sha256", checksum.algorithm)
        if found[checksum.algorithm] != checksum.digest:
            sentence = mismatch(temporary, checksum, found[checksum.algorithm], path.name)
            aside = set_aside(temporary, path.name)
            raise HashMismatchError(
                f"{sentence.replace(str(temporary), str(path), 1)}; set aside as {aside.name}"
            )
        digests.append(found["sha256"])

    write_atomically(path, write)
    return digests[0]
