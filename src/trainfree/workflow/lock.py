"""One run at a time in a folder: a lock that the kernel frees at its holder's death."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Any

from trainfree.errors import TrainfreeError
from trainfree.files.locks import open_lock, try_lock
from trainfree.processes import Process

logger = logging.getLogger(__name__)

LOCK = Path(".snakemake") / "trainfree.lock"
_held: list[int] = []


def hold_run_lock(workflow: Any) -> None:
    """Let one Snakemake at a time work in this folder; the kernel frees the lock at its death.

    Snakemake's own lock outlives a killed run and then asks for ``--unlock``; this one does not.
    Called when jobs are about to start, so dry runs and linting take no lock; nor do the
    Snakemake processes inside cluster jobs.

    Raises
    ------
    TrainfreeError
        When another run holds the lock; names its process. When it is no file of this user's.
    """
    if not workflow.is_main_process:
        return
    try:
        LOCK.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise TrainfreeError(
            f"{LOCK.parent}: cannot be made a folder for a lock ({error})"
        ) from error
    descriptor = open_lock(LOCK)
    if not try_lock(LOCK, descriptor):
        owner = _owner(descriptor)
        os.close(descriptor)
        raise TrainfreeError(
            f"another snakemake (process {owner or 'unknown'}) is running in {Path.cwd()}; "
            "wait for it or stop it, then run again"
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    _held.append(descriptor)


def _owner(lock: int) -> int:
    """Return the process that a lock file names, 0 where it names none."""
    told = os.pread(lock, 32, 0).decode(errors="replace").strip()
    return int(told) if told.isdecimal() else 0


def running_since(folder: Path) -> tuple[int, float] | None:
    """Return process and start, in seconds of the epoch, of the run that works in ``folder`` now.

    None without one, and where that cannot be known, which a warning says. A run on another
    machine is not seen.
    """
    path = folder / LOCK
    try:
        descriptor = open_lock(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except TrainfreeError as error:
        logger.warning("it is not known whether a run is active: %s", error)
        return None
    try:
        owner, started = _owner(descriptor), os.fstat(descriptor).st_mtime
        # Only then is the lock tried, which a run that starts at this very moment would notice.
        if Process(owner).is_alive() and not try_lock(path, descriptor, fcntl.LOCK_SH):
            return owner, started
    except TrainfreeError as error:
        logger.warning("it is not known whether a run is active: %s", error)
    finally:
        os.close(descriptor)
    return None  # a free lock's owner has ended, and its number may be another process's by now
