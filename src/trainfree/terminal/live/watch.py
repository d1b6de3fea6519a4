"""What has become of the jobs of a run, from the files that they write, wherever they run."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainfree.terminal.live.estimate import State, Step, expected_seconds, seconds_left, share_done
from trainfree.terminal.logs import NO_MESSAGE, error_in, written_at
from trainfree.workflow.job_progress import JobProgress, job_progress
from trainfree.workflow.plan import STAGES, Plan, PlannedJob, read_plan, seconds_of

_SHARD = re.compile(r"/(?P<first>\d+)-(?P<last>\d+)\.h5$")
_CLOCKS_DIFFER = 60.0
"""Seconds by which the clocks of machines may differ."""


@dataclass(frozen=True)
class WatchedJob:
    """A job at one moment.

    Attributes
    ----------
    planned
        What was planned.
    step, expected
        How it stands, for the estimate, and how long it takes from its begin to its end.
    progress
        What it told last of itself, while it is running and where it tells.
    reason
        Why it failed.
    """

    planned: PlannedJob
    step: Step
    expected: float = 0.0
    progress: JobProgress | None = None
    reason: str = ""

    @property
    def state(self) -> State:
        """What has become of it."""
        return self.step.state


@dataclass(frozen=True)
class Stage:
    """A stage of the run at one moment."""

    name: str
    done: int
    total: int
    running: int
    failed: int
    share: float


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes
    ----------
    jobs
        All jobs of the plan.
    elapsed, left
        Seconds since the run began, and until it ends by what is known.
    """

    jobs: tuple[WatchedJob, ...]
    elapsed: float
    left: float

    @property
    def share(self) -> float:
        """What part of the work is done, from 0 to 1."""
        return _share(self.jobs)

    @property
    def stages(self) -> list[Stage]:
        """The stages that have jobs in this run, in their order."""
        there = {name: self._of_stage(name) for name in STAGES}
        return [_stage(name, jobs) for name, jobs in there.items() if jobs]

    def of_state(self, state: State) -> list[WatchedJob]:
        """Return the jobs of which this has become."""
        return [job for job in self.jobs if job.state == state]

    def _of_stage(self, name: str) -> list[WatchedJob]:
        return [job for job in self.jobs if job.planned.stage == name]


def _stage(name: str, jobs: Sequence[WatchedJob]) -> Stage:
    counts = {state: sum(job.state == state for job in jobs) for state in ("done", "running")}
    failed = sum(job.state == "failed" for job in jobs)
    return Stage(name, counts["done"], len(jobs), counts["running"], failed, _share(jobs))


def _share(jobs: Sequence[WatchedJob]) -> float:
    return share_done([job.step for job in jobs], [job.expected for job in jobs])


class Watch:
    """Looks at a run again and again.

    Parameters
    ----------
    plan
        What the run does.
    folder
        Where it works.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._begun: dict[int, float] = {}
        self._told: dict[int, JobProgress] = {}
        self._ended: dict[int, WatchedJob] = {}
        self._most_at_once = 0

    def look(self, failed: Mapping[Path, float], now: float | None = None) -> Snapshot:
        """Return how the run stands.

        Parameters
        ----------
        failed
            When Snakemake saw the jobs with these logs fail, in seconds of the epoch: a job that
            is killed writes nothing of it.
        now
            The time; the present by default.

        Raises
        ------
        UnreadableFileError
            When a log cannot be read.
        """
        now = time.time() if now is None else now
        jobs: list[WatchedJob] = []
        for place, planned in enumerate(self._plan.jobs):
            waits = any(jobs[one].state != "done" for one in planned.after)
            jobs.append(
                _waiting(planned) if waits else self._looked_at(place, planned, failed, now)
            )
        steps = [job.step for job in jobs]
        expected = expected_seconds(steps, self._plan.slowness)
        left = seconds_left(steps, expected, self._limits(steps))
        jobs = [replace(job, expected=time) for job, time in zip(jobs, expected, strict=True)]
        return Snapshot(tuple(jobs), max(now - self._plan.started, 0.0), left)

    def _limits(self, steps: Sequence[Step]) -> Mapping[str, int]:
        """Return what there is at a time; in a queue of jobs, no more places than were had."""
        limits = dict(self._plan.limits)
        if places := limits.get("_nodes"):
            running = sum(step.state == "running" for step in steps)
            self._most_at_once = max(self._most_at_once, running)
            limits["_nodes"] = min(places, self._most_at_once or places)
        return limits

    def _looked_at(
        self, place: int, planned: PlannedJob, failed: Mapping[Path, float], now: float
    ) -> WatchedJob:
        """Return how a job stands that has nothing to wait for."""
        if place in self._ended:
            return self._ended[place]
        log = self._folder / planned.log
        written = written_at(log)
        if written is None or written < self._plan.written:
            return _waiting(planned)
        cost = self._folder / planned.cost
        took = seconds_of(cost) if (written_at(cost) or 0.0) >= self._plan.written else None
        if took is not None:
            self._ended[place] = WatchedJob(planned, _step(planned, "done", took))
            return self._ended[place]
        told = self._told_by(place, log)
        begun = told.begun if told else self._begun.setdefault(place, min(written, now))
        elapsed = max(now - begun, 0.0)
        reason = error_in(log)
        if reason or failed.get(log, 0.0) >= written:
            return WatchedJob(
                planned, _step(planned, "failed", elapsed), reason=reason or NO_MESSAGE
            )
        left = told.seconds_left(now) if told else None
        return WatchedJob(planned, _step(planned, "running", elapsed, left), progress=told)

    def _told_by(self, place: int, log: Path) -> JobProgress | None:
        """Return what a running job told last; its file goes a moment before the job ends."""
        told = job_progress(log)
        if told and told.begun >= self._plan.started - _CLOCKS_DIFFER:
            self._told[place] = told  # an older one was left by a job that was killed
        return self._told.get(place)


def _waiting(planned: PlannedJob) -> WatchedJob:
    return WatchedJob(planned, _step(planned, "waiting"))


def _step(
    planned: PlannedJob, state: State, elapsed: float = 0.0, left: float | None = None
) -> Step:
    shard = _SHARD.search(planned.output)
    return Step(
        rule=planned.rule,
        state=state,
        elapsed=elapsed,
        left=left,
        usual=planned.usual,
        architectures=int(shard["last"]) - int(shard["first"]) + 1 if shard else 0,
        after=planned.after,
        needs=planned.needs,
    )


def watch_of(folder: Path, process: int) -> Watch | None:
    """Return what looks at the run of a process; None where it has planned nothing.

    Raises
    ------
    UnreadableFileError
        When the plan cannot be read.
    """
    plan = read_plan(folder)
    return Watch(plan, folder) if plan is not None and plan.process == process else None
