"""Opening files to lock them: only a file of its own, never what a link or a pipe leads to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from trainfree.errors import TrainfreeError
from trainfree.files.reading import kind_of_file

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_lock(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """Return the descriptor of a lock file; what it holds stays as it is.

    Raises
    ------
    FileNotFoundError
        When it is not there and ``flags`` do not make it.
    TrainfreeError
        When something else is there, or this user may not open it.
    """
    try:
        descriptor = os.open(path, flags | _FLAGS, 0o644)
    except FileNotFoundError:
        raise
    except OSError as error:
        found = "a link" if path.is_symlink() else error.strerror
        raise _unusable(path, found or str(error)) from error
    if kind := kind_of_file(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unusable(path, kind)
    return descriptor


def try_lock(path: Path, descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, if nobody holds it; returns whether it is locked now.

    Raises
    ------
    TrainfreeError
        When its file system has no locks.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise TrainfreeError(
            f"{path}: cannot be locked ({error}); its file system has to support flock"
        ) from error
    return True


def _unusable(path: Path, found: str) -> TrainfreeError:
    return TrainfreeError(
        f"{path}: expected a file to lock, of this user or nobody yet, found: {found}; "
        "see whose it is, and remove it if no run is active"
    )
