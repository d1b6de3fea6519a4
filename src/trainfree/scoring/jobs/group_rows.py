"""Rows of architectures whose shared results a GPU computes in groups."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol

from torch import Tensor

from trainfree.scoring.backend import Backend
from trainfree.scoring.jobs.schema import Row
from trainfree.scoring.settings.precision import GroupOptions
from trainfree.scoring.settings.setting import GROUPS, Setting

Tell = Callable[[Backend], None]
"""Tells a backend what is known of its architecture."""
_MOST_WAITING = 64
"""Rows in the making: their kernels wait in memory for their determinants."""


def untold(backend: Backend) -> None:
    """Tell nothing."""


class RowMaker(Protocol):
    """What makes the row of an architecture."""

    in_threads: bool
    """Whether rows may be made in several threads at once."""

    def asked(self) -> frozenset[str]:
        """Return the names of the shared results that the proxies ask for."""

    def row(self, arch: int, tell: Tell = untold, waits: bool = True) -> Row:
        """Return the row of an architecture of which ``tell`` tells."""


def group_rows(
    maker: RowMaker,
    setting: Setting,
    classes: int,
    batch: Tensor,
    architectures: Sequence[int],
    options: GroupOptions,
) -> Iterator[Row]:
    """Yield the rows of architectures in their order.

    The engine computes what the proxies ask of the space's warm-up architecture. Where they leave
    the device alone otherwise, it is ahead by a group and rows are made in threads meanwhile.

    Parameters
    ----------
    classes
        Of the data set.
    batch
        Mini-batch, (B, 3, height, width) float32, on the GPU.
    """
    way = importlib.import_module(GROUPS)
    asked = maker.asked()
    ahead = asked <= way.WITHOUT_DEVICE
    results = way.results(setting, classes, asked, architectures, batch, options, ahead)
    tasks = (
        partial(maker.row, result.architecture, partial(way.tell, result, classes), not ahead)
        for result in results
    )
    in_threads = ahead and maker.in_threads
    made = _in_threads(tasks, options.threads) if in_threads else (task() for task in tasks)
    yield from _completed(made, architectures, maker)


def _completed(rows: Iterator[Row], architectures: Sequence[int], maker: RowMaker) -> Iterator[Row]:
    """Yield the rows of all architectures; those that the engine left out are made without it."""
    upcoming = next(rows, None)
    for arch in architectures:
        if upcoming is not None and upcoming.arch == arch:
            yield upcoming
            upcoming = next(rows, None)
        else:
            yield maker.row(arch)


def _in_threads(tasks: Iterable[Callable[[], Row]], threads: int) -> Iterator[Row]:
    """Yield what tasks return, in their order, running them in threads."""
    waiting: deque[Future[Row]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                while waiting and (waiting[0].done() or len(waiting) >= _MOST_WAITING):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
