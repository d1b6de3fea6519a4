"""What the Snakefile needs besides the configuration."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from trainfree.errors import TrainfreeError
from trainfree.lifeline import announce_run
from trainfree.sources.delivery import MIRROR_VARIABLE, mirror_folder

LOCK = Path(".snakemake") / "trainfree.lock"
_held: list[TextIO] = []


def relative(path: Path) -> str:
    """Return ``path`` as seen from the working folder: where a checkout lies is no input."""
    return os.path.relpath(path)


def hold_run_lock(workflow: Any) -> None:
    """Let one Snakemake at a time work in this folder; the kernel frees the lock at its death.

    Snakemake's own lock outlives a killed run and then asks for ``--unlock``; this one does not.
    Called when jobs are about to start, so dry runs and linting take no lock; nor do the
    Snakemake processes inside cluster jobs.

    Raises
    ------
    TrainfreeError
        When another run holds the lock; names its process.
    """
    if not workflow.is_main_process:
        return
    LOCK.parent.mkdir(exist_ok=True)
    handle = LOCK.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise TrainfreeError(
            f"another snakemake (process {owner}) is running in {Path.cwd()}; "
            "wait for it or stop it, then run again"
        ) from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    _held.append(handle)


def export_environment(checkout: Path, mirror: str | None) -> None:
    """Set what jobs inherit: the Python and the trainfree they run, and where a mirror lies.

    Jobs use the Python that this Snakemake runs with, whether its environment is activated or not
    (a conda environment of ``--sdm conda`` comes before it), and the source of this checkout. The
    mirror's place is no property of the results, so it is no parameter of a rule; an environment
    variable that is already set wins.

    Raises
    ------
    ConfigError
        When the environment's mirror is no path.
    """
    _prepend("PATH", Path(sys.executable).parent)
    _prepend("PYTHONPATH", checkout / "src")
    announce_run()
    if folder := mirror_folder(mirror):
        os.environ[MIRROR_VARIABLE] = folder


def _prepend(variable: str, folder: Path) -> None:
    entries = [str(folder), *filter(None, os.environ.get(variable, "").split(os.pathsep))]
    os.environ[variable] = os.pathsep.join(dict.fromkeys(entries))


def running_since(folder: Path) -> tuple[int, float] | None:
    """Return process and start, in seconds of the epoch, of the run that works in ``folder`` now.

    None without one. A run on another machine is not seen.
    """
    path = folder / LOCK
    try:
        owner, started = int(path.read_text().strip() or 0), path.stat().st_mtime
        if not owner:
            return None
        os.kill(owner, 0)
        # Only now is the lock tried, which a run that starts at this very moment would notice.
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner, started
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return None  # the lock is free: its owner's number is another process's by now
