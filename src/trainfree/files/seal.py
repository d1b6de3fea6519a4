"""The seal at the end of every data file: a checksum of all bytes before it.

HDF5 ends where its own header says, so other programs read a sealed file as any other. A file is
checked before HDF5 sees it: in a damaged one the library may loop for ever or crash.

The seal is one line of text. ``head -c -84 FILE | sha256sum`` gives what ``tail -n 1 FILE`` says.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from pathlib import Path
from typing import BinaryIO

from trainfree.errors import DamagedFileError, UnreadableFileError
from trainfree.files.reading import cannot_be_read, open_file

_MARK = b"\ntrainfree sha256: "
SEAL_BYTES = len(_MARK) + 64 + 1
_SEAL = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})\n")
_BLOCK_BYTES = 1 << 20
# A file changed twice within the clock's step shows the same times; none is believed so soon.
_SETTLED_NANOSECONDS = 2_000_000_000
_verified: set[tuple[int, ...]] = set()


def seal_of(*content: bytes | memoryview) -> bytes:
    """Return the seal that belongs after ``content``, the parts of it one after the other."""
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return _MARK + digest.hexdigest().encode() + b"\n"


def require_seal(path: Path, kind: str) -> None:
    """Do nothing where a file's bytes are those that were written; read once a process.

    Raises
    ------
    DataFileError
        When there is no such file.
    DamagedFileError
        When the seal is broken or not there.
    UnreadableFileError
        When something keeps the file from being read.
    """
    with open_file(path, f"no such {kind} file; run the rule that makes it") as file:
        status = os.fstat(file.fileno())
        times = status.st_mtime_ns, status.st_ctime_ns
        identity = (status.st_dev, status.st_ino, status.st_size, *times)
        if identity in _verified:
            return
        try:
            problem = _problem(file, status.st_size)
        except OSError as error:
            raise cannot_be_read(path, error) from error
        if problem:
            _require_no_writer(path, file)
            raise DamagedFileError(f"{path}: {problem}delete it and run again")
    if time.time_ns() - max(times) > _SETTLED_NANOSECONDS:
        _verified.add(identity)


def _problem(file: BinaryIO, size: int) -> str:
    """Return what is wrong with the seal of a file, or an empty text."""
    if size == 0:
        return "is damaged: it is empty; "
    file.seek(max(0, size - SEAL_BYTES))
    seal = _SEAL.fullmatch(file.read(SEAL_BYTES))
    if seal is None:
        return (
            "does not end with its checksum: it is damaged (truncated, or something was appended), "
            "was changed by another program, or was not written by this version of trainfree; "
            "if the workflow made it, "
        )
    file.seek(0)
    digest, left = hashlib.sha256(), size - SEAL_BYTES
    while left and (block := file.read(min(_BLOCK_BYTES, left))):
        digest.update(block)
        left -= len(block)
    if digest.hexdigest().encode() != seal[1]:
        return "is damaged: its checksum does not match its content; "
    return ""


def _require_no_writer(path: Path, file: BinaryIO) -> None:
    """Raise UnreadableFileError when another program has the file open for writing.

    HDF5 locks what it writes to, and may have the half of a change on the disk.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnreadableFileError(
            f"{path}: another program has it open for writing; close it there, then run again"
        ) from None
    except OSError:
        return  # a file system without locks
