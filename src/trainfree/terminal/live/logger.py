"""What Snakemake shows of a run of trainfree: the view instead of a line a job."""

from __future__ import annotations

import os
import sys
import time
from logging import ERROR, WARNING, LogRecord
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from trainfree.terminal.live.view import RunView
    from trainfree.terminal.live.watch import Snapshot, Watch

_OF_NO_INTEREST = (
    *("Assuming unrestricted", "Building DAG", "Using shell:", "Conda environments:"),
    *("Group jobs:", "Singularity containers:", "Select jobs to execute", "Execute "),
    *("Exiting because a job execution failed", "Shutting down", "Elapsed time:"),
)
"""How messages begin that the view says better, or that say nothing of this run."""
_ONLY_PRINTS = {
    *("--lint", "--list", "--list-rules", "-l", "--list-target-rules", "--lt", "--dag", "--d3dag"),
    *("--rulegraph", "--filegraph", "--summary", "-S", "--detailed-summary", "-D", "--report"),
    *("--list-changes", "--list-untracked", "--list-input-changes", "--list-params-changes"),
    *("--list-code-changes", "--list-conda-envs", "--print-compilation", "--archive", "--unlock"),
    *("--delete-all-output", "--delete-temp-output", "--cleanup-metadata", "--touch", "-t"),
    *("--generate-unit-tests", "--containerize", "--conda-create-envs-only", "--edit-notebook"),
}
"""Options with which Snakemake runs no jobs."""
_TOLD_BY_VIEW = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR)


class LogHandler(LogHandlerBase):
    """Shows a run while it lasts, and everything else as Snakemake does.

    Who asks Snakemake for details (``--verbose``, ``--printshellcmds``, ``--debug-dag``), for a
    plan (``--dry-run``) or for quiet gets its own output, as does a workflow that is not ours.
    """

    def __post_init__(self) -> None:
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
        from snakemake.settings.enums import Quietness

        asked = self.common_settings
        quiet = set(asked.quiet or ())
        self._snakemakes = ColorizingTextHandler(
            nocolor=asked.nocolor,
            stream=sys.stdout if asked.stdout else sys.stderr,
            formatter=DefaultFormatter(asked.quiet, asked.show_failed_logs),
            filter=DefaultFilter(
                *(asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds)
            ),
        )
        details = asked.dryrun or asked.verbose or asked.debug_dag or asked.printshellcmds
        shows = not details and quiet.isdisjoint({Quietness.PROGRESS, Quietness.ALL})
        self._view: RunView | None = None
        self._watch: Watch | None = None
        self._failed: dict[Path, float] = {}
        if shows and _ONLY_PRINTS.isdisjoint(sys.argv):
            self._start()

    @property
    def writes_to_stream(self) -> bool:
        """It writes to standard error, in the place of Snakemake's own."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """It writes to no file."""
        return False

    @property
    def has_filter(self) -> bool:
        """It chooses itself."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It has a form of its own."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It reads the plan instead."""
        return False

    def emit(self, record: LogRecord) -> None:
        """Show what is to be shown of a message."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_ERROR:
            self._failed.update(dict.fromkeys(map(Path, getattr(record, "log", ())), time.time()))
        if event == LogEvent.JOB_INFO and self._view is not None and self._watch is None:
            self._begin_jobs()
        if self._view is None:
            self._snakemakes.handle(record)
        elif _is_to_be_said(record, event):
            self._view.say(record.getMessage(), _style(record.levelno))

    def close(self) -> None:
        """Stop the view; Snakemake calls this at its end, however that comes."""
        if self._view is not None:
            self._view.stop()
        super().close()

    def _start(self) -> None:
        from trainfree.terminal.live.view import RunView

        self._view = RunView(self._look, colours=not self.common_settings.nocolor)
        self._view.start()

    def _begin_jobs(self) -> None:
        """Watch what this Snakemake planned; leave a workflow that planned nothing to itself."""
        from trainfree.terminal.live.watch import watch_of

        self._watch = watch_of(Path(), os.getpid())
        if self._watch is None and self._view is not None:
            self._view.stop()
            self._view = None

    def _look(self) -> Snapshot | None:
        return None if self._watch is None else self._watch.look(self._failed)


def _is_to_be_said(record: LogRecord, event: Any) -> bool:
    text = record.getMessage()
    if event in _TOLD_BY_VIEW or text.startswith(_OF_NO_INTEREST):
        return False
    if record.levelno >= WARNING:
        return "CalledProcessError in file" not in text  # which command failed; the view says why
    return event is None


def _style(level: int) -> str:
    if level >= ERROR:
        return "red"
    return "yellow" if level >= WARNING else ""
