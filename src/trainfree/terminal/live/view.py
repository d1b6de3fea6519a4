"""A run as a person sees it: moving bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trainfree.errors import TrainfreeError
from trainfree.progress import duration
from trainfree.terminal.live.watch import Snapshot
from trainfree.terminal.live.wording import (
    failure_lines,
    final_line,
    how_far,
    plain_line,
    short_name,
    summary,
)
from trainfree.terminal.screen import encodable, visible

LINE_SECONDS = 30.0
"""Between two lines where there is no terminal."""
_LOOK_SECONDS = 1.0
_MOST_WORK = 0.1
"""Part of the time that looking at the files may take; matters on slow file systems."""
_BAR = 24
_MOST_JOBS = 8
_MOST_FAILURES = 3
_OTHER_LINES = 6
Look = Callable[[], Snapshot | None]
"""Returns how the run stands, None as long as nothing is planned."""


class RunView:
    """Shows a run until it is stopped.

    Parameters
    ----------
    look
        Returns how the run stands. An error of ours is shown and the run goes on.
    stream
        Standard error by default.
    colours
        Whether a terminal may be given colours.
    """

    def __init__(self, look: Look, stream: TextIO | None = None, *, colours: bool = True) -> None:
        self._look = look
        self._stream = sys.stderr if stream is None else stream
        # By what it is: an environment that forces colours must not put them into a file.
        self._console = Console(
            file=self._stream,
            force_terminal=self._stream.isatty(),
            no_color=None if colours else True,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._moves = self._stream.isatty() and not self._console.is_dumb_terminal
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._begun = time.monotonic()
        self._next_line = self._begun
        self._told: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)
        self._writing = threading.Lock()

    def start(self) -> None:
        """Begin to show the run, beside what the process does."""
        if self._moves:
            self._live.start()
            self._console.show_cursor(True)  # whoever kills the run keeps the cursor
        atexit.register(self.stop)
        self._thread.start()

    def say(self, text: str, style: str = "") -> None:
        """Write a message, on a terminal above what moves."""
        with self._writing:
            for line in text.splitlines():
                self._console.print(Text(self._text(line), style), soft_wrap=True)

    def stop(self) -> None:
        """Stop, leave the terminal as it was, and write what has come of the run."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        atexit.unregister(self.stop)
        if self._moves:
            self._live.stop()
        snapshot = self._looked()
        if snapshot is not None:
            self._tell_failures(snapshot)
            self.say(final_line(snapshot))

    def _show(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            began = time.monotonic()
            snapshot = self._looked()
            if self._moves:
                self._draw(snapshot)
            elif snapshot is not None:
                self._tell(snapshot)
            pause = max(_LOOK_SECONDS, (time.monotonic() - began) / _MOST_WORK)

    def _looked(self) -> Snapshot | None:
        try:
            return self._look()
        except TrainfreeError as error:
            self.say(str(error), "yellow")
            return None

    def _draw(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            elapsed = duration(time.monotonic() - self._begun)
            shown: RenderableType = Text(f"reading rules, planning jobs: {elapsed}", "dim")
        else:
            rows = max(1, min(_MOST_JOBS, self._console.height - _OTHER_LINES - 6))
            shown = self._rendered(snapshot, rows)
        with self._writing:
            self._live.update(shown, refresh=True)

    def _rendered(self, snapshot: Snapshot, most: int) -> RenderableType:
        stages = Table.grid(padding=(0, 2))
        for stage in snapshot.stages:
            stages.add_row(
                stage.name,
                ProgressBar(total=1.0, completed=stage.share, width=_BAR),
                f"{stage.done} of {stage.total}",
                Text(f"{stage.failed} failed", "bold red") if stage.failed else "",
            )
        running = snapshot.of_state("running")
        jobs = Table.grid(padding=(0, 2))
        jobs.add_column(no_wrap=True, overflow="ellipsis")
        for job in running[:most]:
            jobs.add_row(self._text(short_name(job)), Text(how_far(job, time.time()), "cyan"))
        if len(running) > most:
            jobs.add_row(f"and {len(running) - most} more", "")
        failed = [Text(self._text(told), "red") for told in failure_lines(snapshot)]
        if len(failed) > _MOST_FAILURES:
            failed[_MOST_FAILURES:] = [Text(f"and {len(failed) - _MOST_FAILURES} more", "red")]
        return Group(stages, jobs, *failed, Text(summary(snapshot), "bold"))

    def _tell(self, snapshot: Snapshot) -> None:
        self._tell_failures(snapshot)
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self.say(plain_line(snapshot))

    def _tell_failures(self, snapshot: Snapshot) -> None:
        """Write each failure once; on a terminal the run's end names them."""
        if self._moves:
            return
        for told in failure_lines(snapshot):
            if told not in self._told:
                self._told.add(told)
                self.say(told)

    def _text(self, text: str) -> str:
        return encodable(visible(text), self._stream)
