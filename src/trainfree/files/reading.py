"""Opening files for reading: what stands beside a file is told from damage of the file.

A permission, a lock, a broken link, a pipe in the file's place or a failing disk says nothing
about the content, so none of them is a reason to delete the file; each is said as what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from trainfree.errors import DataFileError, UnreadableFileError

_FORBIDDEN = "this user has no read permission; ask its owner for it, on the file and its folders"
_IN_USE = "another program holds it; wait for that or close it"
_FAILING = "the disk or the network folder failed; check it"
_MEANINGS = {
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EMFILE: "this process has too many files open; raise the limit (ulimit -n)",
    errno.ENFILE: "the machine has too many files open; close some programs",
    errno.EIO: _FAILING,
    errno.ESTALE: _FAILING,
    errno.ENODEV: _FAILING,
    errno.ETIMEDOUT: _FAILING,
    errno.EAGAIN: _IN_USE,
    errno.EBUSY: _IN_USE,
    errno.ETXTBSY: _IN_USE,
    errno.ELOOP: "its links lead back to themselves; remove them",
    errno.ENAMETOOLONG: "its path is too long for the file system; use shorter names",
    errno.ENOTDIR: "a part of its path is a file where a folder should be",
    errno.ENXIO: "it is a socket or a device, expected a file",
}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of_file(mode: int) -> str:
    """Return what a file's mode says it is: ``"a pipe"``; nothing for a regular file."""
    return next((word for is_one, word in _KINDS if is_one(mode)), "")


def cannot_be_read(path: Path, error: OSError) -> UnreadableFileError:
    """Return the error that says why the operating system did not let a file be read."""
    meaning = _MEANINGS.get(error.errno or 0, "the operating system refused")
    said = error.strerror or str(error)
    return UnreadableFileError(
        f"{path}: cannot be read: {meaning} ({said}). Nothing is said about its content: "
        "keep the file"
    )


def is_there(path: Path) -> bool:
    """Whether there is a regular file; where that cannot be known it is neither yes nor no.

    Raises
    ------
    UnreadableFileError
        When a folder on the way may not be entered, or the disk fails.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_be_read(path, error) from error


def files_below(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern, sorted; a folder that cannot be read is not an empty one.

    Raises
    ------
    UnreadableFileError
        When a folder in which there may be such files cannot be read.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise cannot_be_read(Path(error.filename), error) from error

    fixed = takewhile(lambda part: "*" not in part, Path(pattern).parts[:-1])
    for _ in os.walk(folder.joinpath(*fixed), onerror=refuse):
        pass  # only to enter every folder
    return sorted(folder.glob(pattern))


def open_file(path: Path, missing: str) -> BinaryIO:
    """Open a regular file for reading; never waits, whatever stands at ``path``.

    Parameters
    ----------
    missing
        What to say where there is none: ``"no such scores file; run the rule that makes it"``.

    Raises
    ------
    DataFileError
        When there is no such file.
    UnreadableFileError
        When something keeps it from being read.
    """
    try:
        # Looked at before it is opened: opening is an action of its own on some devices.
        _require_regular(path, path.stat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise DataFileError(f"{path}: {_dangling(path) or missing}") from None
    except ValueError as error:  # a NUL in the name
        raise DataFileError(f"{str(path)!r}: is not a file name ({error})") from None
    except OSError as error:
        raise cannot_be_read(path, error) from error
    file = os.fdopen(descriptor, "rb")
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
    except UnreadableFileError:
        file.close()
        raise
    return file


def read_text(path: Path, missing: str = "no such file") -> str:
    """Return the text of a file in UTF-8, its line ends as they are.

    Raises
    ------
    DataFileError
        When there is no such file, or it is no text in UTF-8.
    UnreadableFileError
        When something keeps it from being read.
    """
    with open_file(path, missing) as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError as error:
            raise DataFileError(
                f"{path}: expected text in UTF-8, found the byte "
                f"{error.object[error.start]:#04x} at {error.start}"
            ) from None
        except OSError as error:
            raise cannot_be_read(path, error) from error


def _require_regular(path: Path, mode: int) -> None:
    if kind := kind_of_file(mode):
        raise UnreadableFileError(f"{path}: expected a file, found {kind}; name a file")


def _dangling(path: Path) -> str:
    """Return what to say of a link to nothing, or an empty text."""
    if not path.is_symlink():
        return ""
    return f"is a link to {path.readlink()}, which does not exist; remove the link and run again"
