"""What is said of a run that is going on, wherever it is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePath

from trainfree.progress import duration
from trainfree.terminal.live.watch import Snapshot, WatchedJob
from trainfree.terminal.logs import counted

_MOST_JOBS = 3


def summary(snapshot: Snapshot) -> str:
    """Return how far the run is and how long it still takes."""
    percent = int(100 * snapshot.share)
    return f"{percent} % done in {duration(snapshot.elapsed)}, {time_left(snapshot)}"


def time_left(snapshot: Snapshot) -> str:
    """Return how long the run still takes, as far as that is known."""
    known = any(
        job.state == "done" or job.step.left is not None or job.step.usual is not None
        for job in snapshot.jobs
    )
    return f"about {duration(snapshot.left)} left" if known else "time left not known yet"


def plain_line(snapshot: Snapshot) -> str:
    """Return the state of the run in one line, for a pipe or a log."""
    done, total = len(snapshot.of_state("done")), len(snapshot.jobs)
    now = time.time()
    running = [f"{short_name(job)} ({how_far(job, now)})" for job in snapshot.of_state("running")]
    shown = "; ".join(running[:_MOST_JOBS])
    more = f" and {len(running) - _MOST_JOBS} more" if len(running) > _MOST_JOBS else ""
    at_work = f"; running: {shown}{more}" if running else ""
    return f"{done} of {total} jobs, {summary(snapshot)}{at_work}"


def final_line(snapshot: Snapshot) -> str:
    """Return what has come of the run."""
    done, failed = len(snapshot.of_state("done")), len(snapshot.of_state("failed"))
    told = f", {failed} failed" if failed else ""
    return f"{done} of {len(snapshot.jobs)} jobs done{told} in {duration(snapshot.elapsed)}"


def failure_lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence on each job that failed, with its log."""
    for job in snapshot.of_state("failed"):
        yield f"{short_name(job)} failed: {job.reason} ({job.planned.log})"


def short_name(job: WatchedJob) -> str:
    """Return the file that a job makes, without the folder of all results."""
    parts = PurePath(job.planned.output).parts
    return (
        str(PurePath(*parts[2:]))
        if parts[0] == "results" and len(parts) > 2
        else str(PurePath(*parts))
    )


def how_far(job: WatchedJob, now: float) -> str:
    """Return how far a running job has come."""
    return counted(job.progress, now) or duration(job.step.elapsed)
