"""What the Snakefile needs besides the configuration."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainfree.errors import TrainfreeError
from trainfree.files.label import was_made_otherwise
from trainfree.files.locks import open_lock, try_lock
from trainfree.parent_process import announce_run
from trainfree.processes import Process
from trainfree.sources.delivery import MIRROR_VARIABLE, mirror_folder

logger = logging.getLogger(__name__)

LOCK = Path(".snakemake") / "trainfree.lock"
_held: list[int] = []


def relative(path: Path) -> str:
    """Return ``path`` as seen from the working folder: where a checkout lies is no input."""
    return os.path.relpath(path)


def without_braces(path: str) -> str:
    """Return a path that Snakemake takes for a path.

    Raises
    ------
    TrainfreeError
        When braces are in it, which Snakemake takes for a wildcard wherever they come from.
    """
    if "{" in path or "}" in path:
        raise TrainfreeError(
            f"{path}: expected a path without braces, which Snakemake takes for a "
            "wildcard; rename the folder or the file, or lead to it by a link"
        )
    return path


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


def make_again_if_other(
    workflow: Any, path: str, settings: Mapping[str, Any], code: str
) -> list[str]:
    """Have a data file of the run made again that records other settings or other code.

    Snakemake decides by what it remembers of the jobs it started. Here the file is asked, since a
    job that outlived its run may have replaced it. Called from a rule's input function, so only
    for files that the asked targets need; as an input it adds nothing.

    Returns
    -------
    list of str
        Always empty.
    """
    if workflow.is_main_process and was_made_otherwise(Path(path), settings, code):
        workflow.dag.forcefiles.add(path)
    return []


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

    None without one, and where that cannot be known, which a warning says. A run on another
    machine is not seen.
    """
    path = folder / LOCK
    try:
        descriptor = open_lock(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except TrainfreeError as error:
        logger.warning("whether a run is going on is not known: %s", error)
        return None
    try:
        owner, started = _owner(descriptor), os.fstat(descriptor).st_mtime
        # Only then is the lock tried, which a run that starts at this very moment would notice.
        if Process(owner).is_alive() and not try_lock(path, descriptor, fcntl.LOCK_SH):
            return owner, started
    except TrainfreeError as error:
        logger.warning("whether a run is going on is not known: %s", error)
    finally:
        os.close(descriptor)
    return None  # a free lock's owner has ended, and its number may be another process's by now
