"""Which operations everything passes through, from what each one reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Label = tuple[Any, int]
"""An operation, and how many of the same kind came before it."""


@dataclass
class Operation:
    """An operation on the images: the times of those whose values it reads, and its kind."""

    label: Label
    reads: set[int]
    joins: bool
    is_activation: bool
    is_pool: bool


def cuts_of(operations: dict[int, Operation], last: int) -> list[int]:
    """Return the times of operations whose value is all that later ones know of the images."""
    useful, waiting = set[int](), [last]
    while waiting:
        time = waiting.pop()
        if time in operations and time not in useful:
            useful.add(time)
            waiting += operations[time].reads
    last_reader: dict[int, int] = {}
    for time in sorted(useful):
        for source in operations[time].reads:
            last_reader[source] = time
    found, latest = [], last_reader.get(0, 0)
    for time in sorted(useful):
        if latest <= time:
            found.append(time)
        latest = max(latest, last_reader.get(time, time))
    return found


def ends_of(operations: dict[int, Operation], cuts: list[int]) -> list[int]:
    """Return the ends of stem and blocks: where branches have joined, and before the first do.

    An activation that alone reads the joined value belongs to the block.
    """
    readers: Counter[int] = Counter()
    for operation in operations.values():
        readers.update(operation.reads)
    joined = [time for time in cuts if operations[time].joins]
    if not joined:
        return []
    before = [time for time in cuts if time < joined[0]]
    stem = [before[-1]] if before else []
    following = dict(pairwise(cuts))
    ends = []
    for time in joined:
        after = following.get(time)
        alone = after is not None and readers[time] == 1 and operations[after].is_activation
        ends.append(after if alone and after is not None else time)
    return sorted({*stem, *ends})
