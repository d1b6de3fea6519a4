"""Writing files of any kind, whole or not at all.

A file is written under a temporary name in its own folder and moved into place when it is
complete, so a reader never meets half a file.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from trainfree.errors import DataFileError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then move the file into place.

    Raises
    ------
    DataFileError
        When the file cannot be written, for example on a full disk. Nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.part")
        try:
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataFileError(
            f"{path}: cannot be written ({error}); nothing was kept. "
            "Check the free disk space and the permissions of the folder, then run again"
        ) from error


def _remove_orphans(path: Path) -> None:
    """Delete temporary files of ``path`` whose writer on this machine was killed."""
    for orphan in path.parent.glob(f".{path.name}.{socket.gethostname()}-*.part"):
        pid = int(orphan.name.removesuffix(".part").rpartition("-")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            orphan.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_bytes(text.encode()))
