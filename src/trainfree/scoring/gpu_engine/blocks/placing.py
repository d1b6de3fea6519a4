"""One block with all its places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.scoring.gpu_engine.blocks.arena import FOREVER, Occupied, aligned, first_fit
from trainfree.scoring.gpu_engine.blocks.draft import BlockDraft
from trainfree.scoring.gpu_kernels.launches import FIELDS, Kind, Table


class Surroundings(NamedTuple):
    """Where a block stands: what it cannot know of itself.

    Attributes
    ----------
    externals
        Offsets of the maps that it may read.
    ending
        Which of these nobody reads behind it.
    occupied
        Other maps that are there: offset and elements.
    """

    externals: tuple[int, ...]
    ending: tuple[bool, ...]
    occupied: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind, (rows, fields), and what tells their launches apart, (rows,)."""

    table: Table
    keys: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A block with all its places.

    Attributes
    ----------
    rows
        By kind.
    kept
        Offsets of the maps that later blocks read, by number of node.
    map_elements
        What of the architecture's buffer of maps is used.
    """

    draft: BlockDraft
    rows: Mapping[Kind, Rows]
    kept: Mapping[int, int]
    map_elements: int


def place(draft: BlockDraft, around: Surroundings, sizes: Sequence[int]) -> BlockPlan:
    """Give all maps of a block their places; ``sizes`` are the elements of those it reads."""
    rows = draft.rows
    occupied: list[Occupied] = [(*there, FOREVER) for there in around.occupied]
    seen = zip(around.externals, sizes, around.ending, rows.last, strict=True)
    for offset, elements, ends, last in seen:
        if offset >= 0:
            occupied.append((offset, aligned(elements), last if ends else FOREVER))
    offsets, top = first_fit(rows.buffers, occupied)
    fields = rows.fields.copy()
    places = np.array([*offsets, *around.externals], np.int64)
    fields[rows.positions] = places[rows.references]
    return BlockPlan(
        draft,
        rows={
            segment.kind: Rows(
                fields[segment.start : segment.stop].reshape(-1, FIELDS[segment.kind]),
                segment.keys,
            )
            for segment in rows.segments
        },
        kept={number: offsets[buffer] for number, buffer in draft.kept.items()},
        map_elements=top,
    )
