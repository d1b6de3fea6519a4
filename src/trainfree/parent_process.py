"""Jobs end with the run that started them, even when that run was killed.

A killed Snakemake cannot stop its jobs. Left alone they would compete with the next run for the
machine, and in the end put what they made with old settings in the place of newer files. So every
command watches the process that started it, and no file is moved into place without it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

from trainfree.errors import TrainfreeError
from trainfree.processes import Process, end_descendants, this_process

VARIABLE = "TRAINFREE_RUN"
_POLL_SECONDS = 1.0


def announce_run() -> None:
    """Tell the jobs started from here on which process they belong to."""
    run = this_process()
    os.environ[VARIABLE] = f"{socket.gethostname()}:{run.pid}:{run.start}"


def require_run() -> None:
    """Do nothing while the run that started this job is alive.

    Jobs on other machines than their run's (a cluster) and jobs started by hand have none to
    look for.

    Raises
    ------
    TrainfreeError
        When the run is gone.
    """
    run = _run()
    if run is not None and not run.is_alive():
        raise TrainfreeError(_gone(run))


def end_with_run(status: int) -> None:
    """End this process with exit ``status`` soon after its run, whatever it is doing then.

    Raises
    ------
    TrainfreeError
        When the run is gone already.
    """
    require_run()
    run = _run()
    if run is not None and run.pid != os.getpid():
        threading.Thread(
            target=_watch, args=(run, status), name="parent process", daemon=True
        ).start()


def _run() -> Process | None:
    """Return the run that this process belongs to, if there is one on this machine."""
    host, _, process = os.environ.get(VARIABLE, "").partition(":")
    pid, _, start = process.partition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return None
    return Process(int(pid), start)


def _watch(run: Process, status: int) -> None:
    while run.is_alive():
        time.sleep(_POLL_SECONDS)
    end_descendants()
    print(f"trainfree: error: {_gone(run)}", file=sys.stderr, flush=True)
    os._exit(status)  # the main thread may be in compiled code and hear no exception


def _gone(run: Process) -> str:
    return (
        f"the run that started this job (process {run.pid}) has ended; start it again to continue"
    )
