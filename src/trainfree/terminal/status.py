"""``trainfree status``: what of a configured run is done, what is missing, what failed and why."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.analysis.inputs import USABLE_STATUSES, status_names, texts
from trainfree.errors import DataFileError, UnreadableFileError
from trainfree.files.reading import is_there
from trainfree.files.storage import open_dataset, read_dataset
from trainfree.progress import duration
from trainfree.provenance import canonical_json
from trainfree.scoring.settings.setting import scoring_code_hashes
from trainfree.search.plan import search_code_hash
from trainfree.terminal.live.watch import watch_of
from trainfree.terminal.live.wording import summary
from trainfree.terminal.logs import (
    NO_MESSAGE,
    ended_well,
    error_in,
    failed_logs,
    mean_seconds,
    progress_of,
    written_at,
)
from trainfree.terminal.run import Job, Run, jobs_of
from trainfree.terminal.screen import Screen
from trainfree.workflow.lock import running_since

if TYPE_CHECKING:
    import xarray as xr

LOG = logging.getLogger(__name__)
STATES = (
    *("done", "running", "failed", "damaged", "unreadable"),
    *("stopped", "outdated", "to do"),
)
"""What can have become of a job.

* done: its files are there and, where they say what made them, are those that are asked for
* running: it has begun in the run that is going on, and not ended
* failed: its last attempt ended with an error, or Snakemake saw it fail
* damaged: its file is there and is not what was written
* unreadable: nothing is known, since this user may not look
* stopped: it has begun and was interrupted
* outdated: its files are there, made otherwise or of what is not there any more
* to do: its files are not there, and it has not begun, or has ended well and they were removed
"""
Wanted = Mapping[str, Sequence[str]]
"""Attributes of a file and the values each of them may have."""
_GRAVE = ("failed", "damaged", "unreadable")
_SHOWN = 6


@dataclass(frozen=True)
class Finding:
    """What became of a job: one of ``STATES``, and what there is to say about it."""

    job: Job
    state: str
    detail: str = ""


def show_status(run: Run, screen: Screen, *, every: bool = False) -> int:
    """Write the state of a run.

    Parameters
    ----------
    every
        Name every job that is to be done; otherwise the first few of a stage.

    Returns
    -------
    int
        Exit status: 1 when something failed, is damaged or cannot be read, otherwise 0.
    """
    active = running_since(run.folder)
    findings = [*_findings(run, None if active is None else active[1])]
    screen.line(f"configuration: {', '.join(map(str, run.configuration))}")
    now = "no run is active in this folder"
    if active:
        now = f"running, process {active[0]}{_progress_of_run(run.folder, active[0])}"
    screen.line(f"workflow: {now}")
    screen.title("Stages")
    screen.table((">done", ">of", "stage", "state"), _stage_rows(findings))
    for state in STATES[1:]:
        there = [one for one in findings if one.state == state]
        if state in ("running", *_GRAVE):
            _show_jobs(there, state, screen)
        else:
            _show_groups(there, state, screen, every)
    _show_scores(run, screen)
    return int(any(one.state in _GRAVE for one in findings))


def _progress_of_run(folder: Path, process: int) -> str:
    """Return how far the run of a process has come, as it says itself while it is watched."""
    try:
        watch = watch_of(folder, process)
        return "" if watch is None else f", {summary(watch.look({}))}"
    except UnreadableFileError as error:
        LOG.warning("how far the run has come is not known: %s", error)
        return ""


def missing_products(run: Run) -> dict[Path, str]:
    """Return the files of a run that are not there, and why, without images and shards."""
    active = running_since(run.folder)
    return {
        path: f"{one.state}, {one.detail}" if one.detail else one.state
        for one in _findings(run, None if active is None else active[1])
        if one.job.stage not in ("images", "shards", "report")
        for path in one.job.outputs
        if not _is_surely_there(path)
    }


def _is_surely_there(path: Path) -> bool:
    try:
        return is_there(path)
    except UnreadableFileError:
        return False


def _findings(run: Run, since: float | None) -> Iterable[Finding]:
    wanted = _wanted_attributes(run)
    try:
        failed = failed_logs(run.folder)
    except UnreadableFileError as error:
        LOG.warning("which jobs Snakemake saw fail is not known: %s", error)
        failed = set()
    undone: set[Path] = set()
    for job in jobs_of(run):
        finding = _judge(job, wanted.get(job.outputs[0], ("", {})), failed, since)
        if finding.state == "done" and not undone.isdisjoint(job.inputs):
            finding = Finding(
                job, "outdated", "made from outdated files; the next run makes it again"
            )
        if finding.state not in ("done", "unreadable"):
            undone.update(job.outputs)
        yield finding


def _judge(job: Job, wanted: tuple[str, Wanted], failed: set[Path], since: float | None) -> Finding:
    """Return the state of a job.

    Parameters
    ----------
    wanted
        Kind of the data file it makes and attributes it must have; the kind is empty for others.
    failed
        Logs of jobs that Snakemake saw fail.
    since
        When the run that is going on started; None without one.
    """
    try:
        if all(is_there(path) for path in job.outputs):
            return _judge_content(job, *wanted)
        return _judge_log(job, failed, since)
    except UnreadableFileError as error:
        return Finding(job, "unreadable", str(error))


def _judge_log(job: Job, failed: set[Path], since: float | None) -> Finding:
    """Return the state of a job whose files are not there."""
    written = written_at(job.log)
    of_earlier = written is None or (since is not None and written < since)
    if of_earlier or ended_well(job.log, job.cost):
        return Finding(job, "to do")
    reason = error_in(job.log)
    if reason or job.log in failed:
        return Finding(job, "failed", f"{reason or NO_MESSAGE} ({job.log})")
    if since is not None:
        return Finding(job, "running", progress_of(job.log))
    return Finding(job, "stopped", "interrupted; run again to go on")


def _judge_content(job: Job, kind: str, attributes: Wanted) -> Finding:
    if not kind:
        return Finding(job, "done")
    path = job.outputs[0]
    try:
        with open_dataset(path, kind) as dataset:
            found = dict(dataset.attrs)
    except UnreadableFileError:
        raise
    except DataFileError as error:
        return Finding(job, "damaged", str(error))
    different = [key for key, value in attributes.items() if _attribute(found, key) not in value]
    if different:
        reason = "made by other code" if different == ["code_hash"] else "made with other settings"
        return Finding(job, "outdated", f"{reason}; the next run makes it again")
    return Finding(job, "done")


def _attribute(found: Mapping[str, object], key: str) -> str:
    """Return an attribute; of a search's settings all but what its inputs' hashes say."""
    value = str(found.get(key))
    if key != "config":
        return value
    with_inputs = _parsed(value)
    return canonical_json({name: with_inputs[name] for name in with_inputs if name != "inputs"})


def _parsed(text: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _wanted_attributes(run: Run) -> dict[Path, tuple[str, Wanted]]:
    """Return the kind of each data file and the attributes that the configuration asks for."""
    wanted: dict[Path, tuple[str, Wanted]] = {run.benchmark: ("benchmark", {})}
    configured = run.configured
    for setting in (*run.settings.values(), *configured.board_alone):
        codes = scoring_code_hashes(setting, run.config.scoring.precision)
        attributes = {"config_hash": [setting.hash], "code_hash": codes}
        for path in (*configured.shards(setting), configured.scores(setting)):
            wanted[run.folder / path] = ("scores", attributes)
    for dataset in run.settings:
        wanted[run.images(dataset)] = ("images", {})
        for name, plan in run.searches.items():
            settings = run.configured.search_settings(run.space, dataset, name)
            wanted[run.search(dataset, name)] = (
                "search",
                {
                    "config": [canonical_json(settings)],
                    "code_hash": [search_code_hash(plan, run.space)],
                },
            )
    return wanted


def _stage_rows(findings: Sequence[Finding]) -> Iterable[tuple[str, str, str, str]]:
    for stage in dict.fromkeys(one.job.stage for one in findings):
        here = [one for one in findings if one.job.stage == stage]
        counts = Counter(one.state for one in here)
        done = counts["done"]
        if done == len(here):
            shown = "done"
        else:
            others = (state for state in STATES[1:] if counts[state])
            shown = ", ".join(f"{counts[state]} {state}" for state in others)
            shown += _work_left(here)
        yield str(done), str(len(here)), stage, shown


def _work_left(findings: Sequence[Finding]) -> str:
    """Return how long the rest of a stage takes one job after the other, where that is known."""
    waiting = [one for one in findings if one.state != "done"]
    mean = mean_seconds(one.job.cost for one in findings if one.state == "done")
    if mean is None or findings[0].job.stage not in ("shards", "searches"):
        return ""
    each = duration(mean) if mean >= 0.5 else "under 1 s"
    return f"; about {duration(mean * len(waiting))} of work left ({each} a job)"


def _show_jobs(findings: Sequence[Finding], state: str, screen: Screen) -> None:
    """Name jobs one by one, each with what there is to say about it."""
    if findings:
        screen.title(state.capitalize())
        screen.table(
            ("stage", "job", "detail"),
            [(one.job.stage, one.job.name, one.detail) for one in findings],
        )


def _show_groups(findings: Sequence[Finding], state: str, screen: Screen, every: bool) -> None:
    """Name jobs of which the same is to be said together."""
    if not findings:
        return
    groups: dict[tuple[str, str], list[str]] = {}
    for one in findings:
        groups.setdefault((one.job.stage, one.detail), []).append(one.job.name)
    screen.title(state.capitalize())
    screen.table(
        ("stage", "jobs"),
        [
            (stage, f"{_listed(names, every)}{f': {detail}' if detail else ''}")
            for (stage, detail), names in groups.items()
        ],
    )


def _listed(names: Sequence[str], every: bool) -> str:
    if every or len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more (--all)"


def _show_scores(run: Run, screen: Screen) -> None:
    """Write how many scores of each proxy there are, by status, and why the others failed."""
    for dataset in run.settings:
        files = [*_readable_scores(run, dataset)]
        if not files:
            continue
        count = sum(scores.sizes["arch"] for scores in files)
        screen.title(f"Scores on {dataset}: {count} architectures")
        rows = {
            proxy: Counter(
                np.concatenate([status_names(scores, proxy) for scores in files]).tolist()
            )
            for proxy in texts(files[0]["proxy"])
        }
        found = (word for row in rows.values() for word in row)
        columns = list(dict.fromkeys((*USABLE_STATUSES, *found)))
        screen.table(
            ("proxy", *(f">{word}" for word in columns)),
            [(proxy, *(row[word] for word in columns)) for proxy, row in rows.items()],
        )
        _show_messages(files, screen)


def _readable_scores(run: Run, dataset: str) -> Iterable[xr.Dataset]:
    """Yield the merged scores, or where there are none the shards that can be read."""
    merged = run.scores(dataset)
    for path in [merged] if _is_surely_there(merged) else run.shards(dataset):
        if not _is_surely_there(path):
            continue
        try:
            yield read_dataset(path, "scores")
        except DataFileError:
            continue  # named above as damaged or unreadable


def _show_messages(files: Sequence[xr.Dataset], screen: Screen) -> None:
    messages: Counter[str] = Counter()
    example: dict[str, int] = {}
    for scores in files:
        for arch, message in zip(
            scores["arch"].to_numpy().tolist(), texts(scores["message"]), strict=True
        ):
            if message:
                messages[message] += 1
                example.setdefault(message, arch)
    if not messages:
        return
    screen.title("Why scores failed")
    screen.table(
        (">times", ">first architecture", "message"),
        [(times, example[text], text) for text, times in messages.most_common(_SHOWN)],
    )
