"""How far a long job has come: a bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

_FIRST_LINE_SECONDS = 10.0
_SHARE_BETWEEN_LINES = 0.1  # of the time so far, so that an hour's log has some thirty lines


def track(items: Sequence[T], title: str) -> Iterator[T]:
    """Yield ``items`` and show how far it has come and how long the rest will take.

    On a terminal as a bar on standard error; otherwise as lines of the log, rarer the longer it
    takes, and one at the end. Jobs that end within seconds write that one only.
    """
    if sys.stderr.isatty():
        with progress_bar(title, len(items)) as advance:
            for item in items:
                yield item
                advance(1)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == len(items):
            log.info("%s: %d of %d in %s", title, done, len(items), duration(now - start))
        elif now - last > max(_FIRST_LINE_SECONDS, _SHARE_BETWEEN_LINES * (now - start)):
            last = now
            left = duration((now - start) / done * (len(items) - done))
            log.info("%s: %d of %d, about %s left", title, done, len(items), left)


@contextmanager
def progress_bar(title: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Show a bar while the block runs; yields a function that advances it.

    Without a terminal (a cluster job, a pipe) nothing is printed.
    """
    # Imported here: rich draws from Python's generator when it is imported.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(title), total=total)

        def advance(amount: float) -> None:
            bar.update(task, advance=amount)

        yield advance


def duration(seconds: float) -> str:
    """Return a span of time for readers, for example ``45 s``, ``12 min`` or ``2 h 05 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
