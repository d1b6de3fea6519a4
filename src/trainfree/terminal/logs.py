"""What logs tell: how far a job has come, why it failed, what finished ones took."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

_PROGRESS = re.compile(r".*?: (\d+ of \d+, about .+ left)")
_OUR_ERROR = "trainfree: error: "
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Killed)\b.*")
_TAIL_BYTES = 20_000
_LONGEST_REASON = 400
NO_MESSAGE = "ended without a message: killed, or out of memory"


def progress_of(log: Path) -> str:
    """Return the last line of progress of a running job, or an empty string."""
    found = (_PROGRESS.fullmatch(line) for line in reversed(_tail(log)))
    return next((match[1] for match in found if match), "")


def error_in(log: Path) -> str:
    """Return the error message with which a job ended, or an empty string."""
    lines = _tail(log)
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith(_OUR_ERROR):
            return _shortened(" ".join(lines[place:]).removeprefix(_OUR_ERROR))
        if _EXCEPTION.fullmatch(lines[place]):
            return _shortened(lines[place])
    return ""


def failed_logs(folder: Path) -> set[Path]:
    """Return the logs of the jobs that failed in Snakemake's latest run in ``folder``.

    Snakemake's own log names them also where a job was killed and wrote nothing.
    """
    written = sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"))
    if not written:
        return set()
    found, inside = set(), False
    for line in _lines(written[-1]):
        if not line.startswith(" "):
            inside = line.startswith("Error in rule ")
        elif inside and line.strip().startswith("log: "):
            name = line.strip().removeprefix("log: ").partition(" (check log file")[0]
            found.add(folder / name)
    return found


def mean_seconds(costs: Iterable[Path]) -> float | None:
    """Return the mean duration of the jobs that have ended, None where none has."""
    seconds = [value for path in costs if (value := _seconds(path)) is not None]
    return sum(seconds) / len(seconds) if seconds else None


def _seconds(cost: Path) -> float | None:
    try:
        with cost.open(encoding="utf-8", newline="") as handle:
            return float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):
        return None  # not there yet, or being written


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _tail(log: Path) -> list[str]:
    """Return the last lines that are not empty; a log that is not there has none."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
