"""Plans of groups, made ahead of their use in processes of their own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait

from trainfree.scoring.gpu_engine.grouping import Request, plan_groups
from trainfree.scoring.gpu_kernels.launches import GroupPlan

_AHEAD = 2
"""Groups that wait for each process: the next one is there when a device is done with one."""


def planned(request: Request, architectures: Sequence[int], processes: int) -> Iterator[GroupPlan]:
    """Yield the groups that ``plan_groups`` makes of architectures, in their order.

    The list is cut where a group is full at the latest, so groups do not depend on the number of
    processes.

    Parameters
    ----------
    processes
        How many plan ahead; with 0, or where there is a single group, this process plans when a
        group is asked for.

    Raises
    ------
    ConfigError
        When a space of others fails at describing a network.
    """
    cuts = range(0, len(architectures), request.largest)
    parts = [architectures[first : first + request.largest] for first in cuts]
    if processes and len(parts) > 1:
        yield from _planned_ahead(request, parts, min(processes, len(parts)))
        return
    for part in parts:
        yield from plan_groups(request, part)


def _planned_ahead(
    request: Request, parts: Sequence[Sequence[int]], processes: int
) -> Iterator[GroupPlan]:
    waiting: deque[Future[list[GroupPlan]]] = deque()
    remaining = iter(parts)
    # Spawned: a copy of this process would hold its threads' locks, and its hold on the GPU.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        while True:
            while len(waiting) < _AHEAD * processes:
                part = next(remaining, None)
                if part is None:
                    break
                waiting.append(pool.submit(plan_groups, request, part))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Prepare a process that plans; it ends as soon as the one that started it has ended."""
    # Plans hold no circles, and what is remembered of blocks would be searched for them again
    # and again.
    gc.disable()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
