"""Running a program as somebody who may not write, read or stop everything.

Tests often run as root, for whom permissions do not count. A child without root's capabilities is
to the kernel like any other user who owns what root owns.
"""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_CAPBSET_DROP = 24
SOMEBODY = 65534
"""A user that is not the one of the tests."""


def _give_up_capabilities() -> None:
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def forbid(path: Path) -> None:
    """Take all permissions on a file or folder from who runs unprivileged."""
    path.chmod(0)
    if os.geteuid() == 0:
        os.chown(path, SOMEBODY, SOMEBODY)


def run_unprivileged(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    without: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end without root's capabilities.

    ``environment`` is added to that of the tests; ``without`` names variables to leave out.
    """
    inherited = {k: v for k, v in os.environ.items() if k not in without}
    more: dict[str, Any] = {}
    if os.geteuid() == 0:
        more["preexec_fn"] = _give_up_capabilities
    return subprocess.run(
        command,
        cwd=cwd,
        env=inherited | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def let_others_in(folder: Path) -> None:
    """Let other users enter a folder of the tests, which is closed to them by pytest."""
    for each in (folder, *folder.parents):
        mode = stat.S_IMODE(each.stat().st_mode)
        if mode & 0o055 == 0o055:
            break
        each.chmod(mode | 0o055)


def as_somebody(check: Callable[[], object]) -> None:
    """Run a check as another user, in a process of its own. Only root can."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
            check()
            status = 0
        finally:  # never on into the tests of the parent
            if status:
                traceback.print_exc()
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
