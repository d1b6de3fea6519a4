"""A progress bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.progress import track as bar

T = TypeVar("T")
log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0


def track(items: Sequence[T], title: str) -> Iterator[T]:
    """Yield ``items`` and show how far it has come and how long the rest will take."""
    if sys.stderr.isatty():
        yield from bar(items, description=title)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last > _SECONDS_BETWEEN_LINES or done == len(items):
            last = now
            remaining = (now - start) / done * (len(items) - done)
            log.info("%s: %d of %d, about %.0f s left", title, done, len(items), remaining)
