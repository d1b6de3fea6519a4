"""What logs tell: how far a job has come, why it failed, what finished ones took."""

from __future__ import annotations

import math
import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trainfree.analysis.formats import count_of
from trainfree.errors import UnreadableFileError
from trainfree.files.reading import cannot_be_read, files_below
from trainfree.progress import duration
from trainfree.workflow.job_progress import JobProgress, job_progress
from trainfree.workflow.lock import running_since
from trainfree.workflow.plan import seconds_of

_PROGRESS = re.compile(r".*?: (\d+ of \d+, about .+ left)")
_OUR_ERROR = "trainfree: error: "
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Killed)\b.*")
_COMMAND_FAILED = re.compile(
    r".* > (?P<log>\S.*) 2>&1' (?:returned non-zero exit status \d+|died with .*)\."
)
_FINISHED = re.compile(r"Finished jobid: (\d+)\b.*")
_TAIL_BYTES = 20_000
_LONGEST_REASON = 400
_SHOWN = 3
NO_MESSAGE = "ended without a message: killed, or out of memory"


def progress_of(log: Path) -> str:
    """Return how far a running job has come by what it told last, or an empty string.

    Raises
    ------
    UnreadableFileError
        When the log cannot be read, as everywhere here.
    """
    if told := counted(job_progress(log), time.time()):
        return told
    found = (_PROGRESS.fullmatch(line) for line in reversed(_tail(log)))
    return next((match[1] for match in found if match), "")


def counted(told: JobProgress | None, now: float) -> str:
    """Return what a running job has counted, or an empty string where it counts nothing."""
    if told is None or not told.total:
        return ""
    left = told.seconds_left(now)
    done = f"{told.done} of {told.total}"
    return done if left is None else f"{done}, about {duration(left)} left"


def error_in(log: Path) -> str:
    """Return the error message with which a job ended, or an empty string."""
    lines = _tail(log)
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith(_OUR_ERROR):
            words = " ".join(lines[place:]).removeprefix(_OUR_ERROR).split()
            return _shortened(" ".join(words))
        if _EXCEPTION.fullmatch(lines[place]):
            return _shortened(lines[place])
    return ""


def failed_logs(folder: Path) -> set[Path]:
    """Return the logs of the jobs that failed in Snakemake's latest run in ``folder``.

    Snakemake's own log names them also where a job was killed and wrote nothing. A job that was
    tried again and ended well has not failed.
    """
    written = files_below(folder, ".snakemake/log/*.snakemake.log")
    return _failed_in(_lines(written[-1]), folder) if written else set()


def failures(folder: Path) -> list[str]:
    """Return a line for each reason why jobs of the run in ``folder`` failed, for its end.

    With ``--quiet rules`` Snakemake says no more than which command failed, and of a cluster's jobs
    not even that; the reason stands in the job's log.
    """
    running = running_since(folder)
    begin = math.inf if running is None else running[1]
    reasons: dict[str, list[Path]] = {}
    try:
        failed = failed_logs(folder)
        for log in files_below(folder, "logs/**/*.log"):
            if (written_at(log) or 0.0) < begin and log not in failed:
                continue
            reason = error_in(log)
            if (reason or log in failed) and not ended_well(log, _cost_of(log, folder)):
                reasons.setdefault(reason or NO_MESSAGE, []).append(log)
    except UnreadableFileError as error:
        return [f"Why jobs failed is not known: {error}"]
    return [_told(reason, logs, folder) for reason, logs in reasons.items()]


def written_at(path: Path) -> float | None:
    """Return when a file was last written, in seconds of the epoch; None where there is none."""
    try:
        return path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot_be_read(path, error) from error


def ended_well(log: Path, cost: Path) -> bool:
    """Whether a job has ended well since it began: only then Snakemake writes what it took."""
    begun, ended = written_at(log), written_at(cost)
    return begun is not None and ended is not None and ended >= begun


def _cost_of(log: Path, folder: Path) -> Path:
    """Return where Snakemake writes what the job of a log took (``logs/<run>/benchmarks``)."""
    run, *rest = log.relative_to(folder / "logs").parts
    return (folder / "logs" / run).joinpath("benchmarks", *rest).with_suffix(".tsv")


def _told(reason: str, logs: Sequence[Path], folder: Path) -> str:
    names = ", ".join(os.path.relpath(log, folder) for log in logs[:_SHOWN])
    more = f" and {len(logs) - _SHOWN} more" if len(logs) > _SHOWN else ""
    return f"{count_of(len(logs), 'job')} failed: {reason} ({names}{more})"


def _failed_in(lines: Iterable[str], folder: Path) -> set[Path]:
    """Return the logs of failed jobs that Snakemake's log names, in its own words or a shell's."""
    failed: dict[str, list[str]] = {}
    inside, job = False, ""
    for line in lines:
        told = line.strip()
        if finished := _FINISHED.fullmatch(told):
            failed.pop(finished[1], None)
        elif command := _COMMAND_FAILED.fullmatch(told):
            failed.setdefault(command["log"], []).extend(_words(command["log"]))
        elif not line.startswith(" "):
            inside = line.startswith("Error in rule ")
        elif inside and told.startswith("jobid: "):
            job = told.removeprefix("jobid: ")
        elif inside and told.startswith("log: "):
            named = told.removeprefix("log: ").partition(" (check log file")[0]
            for name in named.split(", "):
                failed.pop(shlex.quote(name), None)  # the same job, as its shell told it
                failed.setdefault(job, []).append(name)
    return {folder / name for names in failed.values() for name in names}


def _words(text: str) -> list[str]:
    """Return the paths in a piece of a shell's command."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def mean_seconds(costs: Iterable[Path]) -> float | None:
    """Return the mean duration of the jobs that have ended, None where none has."""
    seconds = [value for path in costs if (value := seconds_of(path)) is not None]
    return sum(seconds) / len(seconds) if seconds else None


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise cannot_be_read(path, error) from error


def _tail(log: Path) -> list[str]:
    """Return the last lines that are not empty; a log that is not there has none."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot_be_read(log, error) from error
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
