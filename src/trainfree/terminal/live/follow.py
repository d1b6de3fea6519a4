"""``trainfree status --follow``: the view of a run that was started elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

from trainfree.terminal.live.view import RunView
from trainfree.terminal.live.watch import watch_of
from trainfree.terminal.screen import Screen
from trainfree.workflow.lock import running_since

_SECONDS = 1.0


def follow_run(folder: Path, screen: Screen) -> None:
    """Show the run that is going on in ``folder`` until it ends or the reader interrupts.

    Raises
    ------
    UnreadableFileError
        When the plan of the run cannot be read.
    """
    active = running_since(folder)
    watch = None if active is None else watch_of(folder, active[0])
    if watch is None:
        screen.line("no run is active in this folder")
        return
    view = RunView(lambda: watch.look({}))
    view.start()
    try:
        while running_since(folder) == active:
            time.sleep(_SECONDS)
    except KeyboardInterrupt:
        pass  # the reader has seen enough; the run goes on
    finally:
        view.stop()
