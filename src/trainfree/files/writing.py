"""Writing files of any kind, whole or not at all.

A file is written under a temporary name in its own folder and moved into place when it is
complete, so a reader never meets half a file. Only files are replaced: a link is followed, and a
device, a pipe or a folder in the file's place is refused.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainfree.errors import DataFileError
from trainfree.files.reading import kind_of_file
from trainfree.parent_process import require_run
from trainfree.processes import Process, this_process

_CUT = 100  # bytes of the name that a temporary name takes over; a name may have 255
_DAY_SECONDS = 24 * 60 * 60
_TEMPORARY = re.compile(
    r"(?P<head>\..*)-(?P<pid>\d+)(?:\.(?P<start>\d*)\.\d+)?\.part", flags=re.DOTALL | re.ASCII
)
_counter = itertools.count()
_FORBIDDEN = "this user has no write permission there; check the permissions of the folder"
_FULL = "no space is left; check the free disk space and the quota"
_ADVICE = {
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "a limit on the size of files, or no free disk space; check both",
    errno.ENAMETOOLONG: "the name is too long for the file system; use shorter names",
    errno.ELOOP: "links on the way lead back to themselves; remove them",
    errno.ENOTDIR: "a part of the path is a file where a folder should be",
    errno.EEXIST: "a part of the path is a file, or a link to nothing, where a folder should be",
}


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then move the file into place.

    Raises
    ------
    DataFileError
        When the file cannot be written, for example on a full disk, or when something else than
        a file is in its place. Nothing is left behind.
    TrainfreeError
        When the run that this process belongs to is gone: a newer one may have written the file.
    """
    try:
        target = _place_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        temporary = _new_file_beside(target)
        try:
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            require_run()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the free disk space and the permissions")
        raise DataFileError(
            f"{path}: cannot be written: {advice} ({error}). Nothing was kept; "
            "fix that and run again"
        ) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise DataFileError(f"{str(path)!r}: is not a file name ({error})") from None


def _place_of(path: Path) -> Path:
    """Return where a file named ``path`` goes: there, or where a link there leads.

    Raises
    ------
    DataFileError
        When something is there that is no file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise _in_the_way(path, f"a link to {path.readlink()}, which does not exist") from None
        return path
    except OSError as error:
        if error.errno != errno.ELOOP or not path.is_symlink():
            raise
        raise _in_the_way(path, "a link that leads back to itself") from error
    if kind := kind_of_file(mode):
        raise _in_the_way(path, kind)
    return path.resolve() if path.is_symlink() else path


def _in_the_way(path: Path, found: str) -> DataFileError:
    return DataFileError(
        f"{path}: cannot be written: expected a file or nothing there, found {found}, which is "
        "left as it is; name another output"
    )


def _new_file_beside(target: Path) -> Path:
    """Make a file of a name that nobody has taken, not even with a link."""
    beginning = os.fsencode(target.name)[:_CUT].decode(errors="ignore")
    writer = this_process()
    while True:
        path = target.with_name(
            f".{beginning}.{socket.gethostname()}-{writer.pid}.{writer.start}.{next(_counter)}.part"
        )
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files in a folder whose writers were killed.

    One whose writer cannot be asked after, on another machine for example, goes after a day.
    """
    for path in folder.glob(".*.part"):
        match = _TEMPORARY.fullmatch(path.name)
        # Another user's file may be forbidden, and another job may be deleting the same.
        with suppress(OSError):
            if match and not _may_be_written(path, match):
                path.unlink()


def _may_be_written(path: Path, match: re.Match[str]) -> bool:
    writer = Process(int(match["pid"]), match["start"] or "")
    is_here = match["head"].endswith(f".{socket.gethostname()}")
    if is_here and (writer.start or not writer.is_alive()):
        return writer.is_alive()
    return path.lstat().st_mtime > time.time() - _DAY_SECONDS


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_bytes(text.encode()))
