"""The jobs of the run that is going on, as Snakemake planned them, for whoever watches it."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainfree.files.reading import cannot_be_read
from trainfree.files.writing import write_text

PLAN = Path(".snakemake") / "trainfree-plan.json"
_STAGES = {
    "prepare": ("prepare_", "enumerate_"),
    "score": ("score_", "merge_"),
    "search": ("search", "share_", "enas_", "train_"),
    "tables": ("tabulate_", "learn", "store_features", "store_field_features"),
    "figures": ("plot_", "animate_", "choose_", "store_"),
    "report": ("write_report",),
}
"""The stages of a run in their order, and how the rules of each begin."""
STAGES = (*_STAGES, "other")
_SLOWEST = 8.0
"""Beyond it a machine was held up for a moment, which says little of the hours to come."""


@dataclass(frozen=True)
class PlannedJob:
    """A job that the run is going to do.

    Attributes
    ----------
    rule, output
        What makes it, and the first file it makes.
    log, cost
        Its log, and the table of seconds and memory that Snakemake writes when it has ended well.
    after
        Places in the plan of the jobs it waits for.
    needs
        How much it takes of what is limited: cores, GPUs.
    usual
        How many seconds it took in an earlier run; None where there was none.
    """

    rule: str
    output: str
    log: str
    cost: str
    after: tuple[int, ...] = ()
    needs: Mapping[str, int] = field(default_factory=dict)
    usual: float | None = None

    @property
    def stage(self) -> str:
        """The stage of the run that it belongs to, one of ``STAGES``."""
        return stage_of(self.rule)


@dataclass(frozen=True)
class Plan:
    """What a run is going to do.

    Attributes
    ----------
    process
        The Snakemake that does it.
    started
        When, in seconds of the epoch, by the clock of its machine.
    written
        The same by the clock of the file system, with which times of files are compared.
    slowness
        How much longer than on a free core it took to plan.
    limits
        How much there is for all jobs at a time of what is limited.
    jobs
        None before those it waits for.
    """

    process: int
    started: float
    written: float
    slowness: float
    limits: Mapping[str, int]
    jobs: tuple[PlannedJob, ...]


def stage_of(rule: str) -> str:
    """Return the stage that a rule belongs to."""
    for stage, beginnings in _STAGES.items():
        if rule.startswith(beginnings):
            return stage
    return "other"


def write_plan(workflow: Any) -> None:
    """Write what Snakemake is about to do into its own folder of the run.

    Called when jobs are about to start, after the lock of the run is taken.

    Raises
    ------
    DataFileError
        When the file cannot be written.
    """
    if workflow.is_main_process:
        write_text(PLAN, json.dumps(asdict(plan_of(workflow))))


def plan_of(workflow: Any) -> Plan:
    """Return what Snakemake is about to do."""
    dag = workflow.dag
    limits = _limits(workflow)
    jobs = [job for job in dag.needrun_jobs() if job.log and job.benchmark and job.output]
    jobs = _in_order(jobs, dag.dependencies)
    places = {job: place for place, job in enumerate(jobs)}
    now = time.time()
    return Plan(
        process=os.getpid(),
        started=now,
        written=now,
        slowness=_slowness() if "_cores" in limits else 1.0,
        limits=limits,
        jobs=tuple(
            PlannedJob(
                rule=job.rule.name,
                output=str(job.output[0]),
                log=str(job.log[0]),
                cost=str(job.benchmark),
                after=tuple(sorted(places[one] for one in dag.dependencies[job] if one in places)),
                needs=_needs(job, limits),
                usual=seconds_of(Path(str(job.benchmark))),
            )
            for job in jobs
        ),
    )


def read_plan(folder: Path) -> Plan | None:
    """Return the plan of the latest run in ``folder``; None without one, or of another version.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read.
    """
    path = folder / PLAN
    try:
        values = json.loads(path.read_bytes())
        jobs = [PlannedJob(**{**job, "after": tuple(job["after"])}) for job in values["jobs"]]
        return Plan(**{**values, "jobs": tuple(jobs), "written": path.stat().st_mtime})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except (ValueError, TypeError, KeyError):
        return None


def seconds_of(cost: Path) -> float | None:
    """Return what a job took by the table that Snakemake writes at its end; None without one."""
    try:
        with cost.open(encoding="utf-8", newline="") as handle:
            return float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):
        return None  # not there yet, or being written


def _slowness() -> float:
    """Return how many seconds passed for one in which this process computed; 1 if not known."""
    try:
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
        started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        elapsed = since_boot - started / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 1.0
    return min(max(elapsed / max(time.process_time(), 0.1), 1.0), _SLOWEST)


def _limits(workflow: Any) -> dict[str, int]:
    """Return what all jobs share: cores where they run here, places in the queue elsewhere."""
    shared = {
        name: getattr(resource, "value", resource)
        for name, resource in workflow.global_resources.items()
        if not workflow.resource_scopes.is_local(name)
    }
    limits = {
        name: value
        for name, value in shared.items()
        if isinstance(value, int) and 0 < value < 1_000_000
    }
    if "_nodes" in limits:
        limits.pop("_cores", None)  # of a job in the queue, not of all
    return limits


def _needs(job: Any, limits: Iterable[str]) -> dict[str, int]:
    needs = {name: job.resources.get(name, 0) for name in limits}
    return {name: value for name, value in needs.items() if isinstance(value, int) and value > 0}


def _in_order(jobs: list[Any], dependencies: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """Return the jobs so that none comes before those it waits for."""
    waiting, ordered, seen = list(reversed(jobs)), [], set()
    own = set(jobs)
    while waiting:
        job = waiting[-1]
        missing = [one for one in dependencies[job] if one in own and one not in seen]
        if job in seen or not missing:
            waiting.pop()
            if job not in seen:
                seen.add(job)
                ordered.append(job)
        else:
            waiting.extend(missing)
    return ordered
