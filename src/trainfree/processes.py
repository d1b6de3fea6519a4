"""Which process something belongs to, told by its number and the moment it started.

The number alone is used again when a process has ended.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SYSTEM = Path("/proc")
_ENDED = ("Z", "X")  # a zombie works no more


@dataclass(frozen=True)
class Process:
    """A process of this machine.

    Attributes
    ----------
    start
        When it started, in the kernel's own count; empty where the system does not tell.
    """

    pid: int
    start: str = ""

    def is_alive(self) -> bool:
        """Whether it still runs; True where that cannot be known."""
        if self.pid < 1:
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass  # another user's: it may have taken the number over
        state, start, _ = _told_of(self.pid)
        return state not in _ENDED and (start == self.start or not start or not self.start)


def this_process() -> Process:
    """Return the process that asks."""
    return Process(os.getpid(), _told_of(os.getpid())[1])


def end_descendants() -> None:
    """Kill all processes that this one has started, and theirs."""
    children: dict[int, list[int]] = {}
    for folder in _SYSTEM.glob("[0-9]*"):
        if parent := _told_of(pid := int(folder.name))[2]:
            children.setdefault(parent, []).append(pid)
    waiting = [os.getpid()]
    while waiting:
        found = children.get(waiting.pop(), [])
        waiting += found
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _told_of(pid: int) -> tuple[str, str, int]:
    """Return state, start and parent of a process; empty where the system does not tell."""
    try:
        told = (_SYSTEM / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", "", 0
    fields = told.rpartition(")")[2].split()  # its name, before, may hold anything
    return fields[0], fields[19], int(fields[1])
