"""Jobs end with the run that started them, even when that run was killed.

A killed Snakemake cannot stop its jobs. Left alone they would compete with the next run for the
machine, so long jobs look now and then whether the process that started them is alive.
"""

from __future__ import annotations

import os
import socket

from trainfree.errors import TrainfreeError

VARIABLE = "TRAINFREE_RUN"


def announce_run() -> None:
    """Tell the jobs started from here on which process they belong to."""
    os.environ[VARIABLE] = f"{socket.gethostname()}:{os.getpid()}"


def require_run() -> None:
    """Do nothing while the run that started this job is alive.

    Jobs on other machines than their run's (a cluster) and jobs started by hand have none to
    look for.

    Raises
    ------
    TrainfreeError
        When the run is gone.
    """
    host, _, pid = os.environ.get(VARIABLE, "").rpartition(":")
    if host != socket.gethostname():
        return
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        raise TrainfreeError(
            f"the run that started this job (process {pid}) is gone; start it again to go on"
        ) from None
