"""Reading files that anybody may have put into a folder: regular and small, or refused."""

from __future__ import annotations

import stat
from pathlib import Path

from trainfree.errors import DataFileError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    path
        The file; a link is followed.
    limit
        The most bytes that it may have; a larger file is not read at all.

    Raises
    ------
    DataFileError
        When it is missing, unreadable, too large or no regular file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
            raise DataFileError(f"{path}: expected a file, found {kind}; move it elsewhere")
        if found.st_size > limit:
            raise DataFileError(
                f"{path}: expected at most {limit:,} bytes, found {found.st_size:,}; move it "
                "elsewhere and make it again"
            )
        with path.open("rb") as handle:
            return handle.read(limit)
    except OSError as error:
        dangling = path.is_symlink() and not path.exists()
        what = "is a link to nothing" if dangling else "cannot be read"
        raise DataFileError(
            f"{path}: {what} ({error.strerror or error}); fix it or delete it, and run again"
        ) from error


def text_of(path: Path, limit: int) -> str:
    """Return the content of a text file in UTF-8.

    Raises
    ------
    DataFileError
        As :func:`read_bounded`, and when it is not text.
    """
    try:
        return read_bounded(path, limit).decode()
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path}: is not text ({error}); delete it and run again") from error
