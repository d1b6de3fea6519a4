"""How far a running job has come: a small file beside its log, for whoever watches the run.

Rules send what a job writes to its log, which has to stay short and to be read later. How far a job
has come changes every few seconds and interests nobody afterwards, so it has a file of its own,
which goes when the job ends. Jobs on other machines write it to the shared file system as well.
"""

from __future__ import annotations

import functools
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from trainfree import progress
from trainfree.parent_process import VARIABLE

T = TypeVar("T")
SUFFIX = ".progress"
_SECONDS_BETWEEN = 2.0
_FEW = 10
_LEAST_SHARE = 0.05
"""Of the time left as last told, that a job which is later than it said still has."""


@dataclass(frozen=True)
class JobProgress:
    """What a job told last.

    Attributes
    ----------
    begun, told
        When the job began and when it told this, in seconds of the epoch.
    done, total
        How many items are done, and of how many; ``total`` is 0 in a job that does not count.
    since, base
        From when the speed is measured, and how many items were done then. The first of many
        items is left out: it waits for code to be compiled, and says little of the others.
    """

    begun: float
    told: float
    done: int = 0
    total: int = 0
    since: float = 0.0
    base: int = 0

    def seconds_left(self, now: float) -> float | None:
        """Return how long the items that are left take; None as long as none was measured."""
        if not self.base < self.done <= self.total:
            return None
        left = (self.told - self.since) / (self.done - self.base) * (self.total - self.done)
        return max(left - max(now - self.told, 0.0), _LEAST_SHARE * left)

    @property
    def share(self) -> float | None:
        """What part of the items is done, from 0 to 1; None in a job that does not count."""
        return self.done / self.total if self.total else None


def file_beside(log: Path) -> Path:
    """Return where a job with this log tells how far it has come."""
    return log.with_name(log.name + SUFFIX)


def job_progress(log: Path) -> JobProgress | None:
    """Return what the running job with this log told last; None where it told nothing."""
    try:
        values = json.loads(file_beside(log).read_bytes())
        told = JobProgress(**values)
        return told if all(isinstance(value, int | float) for value in values.values()) else None
    except (OSError, ValueError, TypeError):
        return None  # not there, or of another version


@contextmanager
def told_beside_log() -> Iterator[None]:
    """Let a job of a run tell, during the block, how far it has come.

    What :func:`trainfree.progress.track` counts is told. It is replaced here, before the modules
    that use it are imported, because its own file is part of the code that decides scores, and
    what a watcher sees does not. Without a run, or where standard error is no file, nothing
    happens; that a file cannot be written never ends a job.
    """
    log = _log_of_this_job()
    if log is None:
        yield
        return
    teller = _Teller(file_beside(log))
    original = progress.track
    progress.track = _telling(original, teller)
    try:
        yield
    finally:
        progress.track = original
        teller.end()


def _telling(track: Callable[..., Iterator[Any]], teller: _Teller) -> Callable[..., Iterator[Any]]:
    @functools.wraps(track)
    def told(items: Sequence[T], title: str) -> Iterator[T]:
        teller.begin(len(items))
        for done, item in enumerate(track(items, title)):
            if done:
                teller.tell(done)
            yield item
        teller.tell(len(items))

    return told


class _Teller:
    """Writes the file of one job, rarely enough to cost nothing."""

    def __init__(self, path: Path) -> None:
        now = time.time()
        self._path = path
        self._last = JobProgress(begun=now, told=now)
        self._next = 0.0
        self._write()

    def begin(self, total: int) -> None:
        now = time.time()
        self._last = JobProgress(self._last.begun, now, total=total, since=now)
        self._write()

    def tell(self, done: int) -> None:
        if time.monotonic() < self._next:
            return
        now = time.time()
        if not self._last.done and self._last.total > _FEW:
            self._last = replace(self._last, since=now, base=done)
        self._last = replace(self._last, told=now, done=done)
        self._write()

    def end(self) -> None:
        with suppress(OSError):
            self._path.unlink()

    def _write(self) -> None:
        self._next = time.monotonic() + _SECONDS_BETWEEN
        new = self._path.with_name(f".{self._path.name}.new")
        with suppress(OSError):
            new.write_text(json.dumps(asdict(self._last)), encoding="utf-8")
            new.replace(self._path)


def _log_of_this_job() -> Path | None:
    """Return the file that standard error goes to in a job of a run."""
    if VARIABLE not in os.environ:
        return None
    try:
        number = sys.stderr.fileno()
        is_file = stat.S_ISREG(os.fstat(number).st_mode)
        path = Path(f"/proc/self/fd/{number}").readlink()
    except (OSError, ValueError):
        return None
    return path if is_file and path.suffix == ".log" else None
