"""What the steps of a block do to memory, moment by moment, while their rows are written.

A moment is a level and a kind: launches of one level are in the order of their kinds. Where maps
lie is not known yet, so a field with a place refers to a buffer or to what the block reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import TrainfreeError
from trainfree.scoring.gpu_engine.blocks.arena import FOREVER, Lifetime
from trainfree.scoring.gpu_kernels.launches import FIELDS, TILE, Kind

NOTHING, IMAGES = -1, -2
"""In the place of an offset: there is none; that of the images, which all architectures read."""
MOST_ELEMENTS = 2**31 - 1
"""Of one map, all images together: kernels count within a map in 32 bits."""
NEVER = -1
_KINDS = 16
"""More than there are; a moment is level · _KINDS + kind."""
_KIND = {int(kind): kind for kind in Kind}
_EXTERNAL = 1 << 20
"""References from here on are to what the block reads; buffers are fewer."""


class CannotGroupError(TrainfreeError):
    """A network that the engine does not know all steps of."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one kind within the fields of all rows.

    Attributes
    ----------
    start, stop
        Their fields.
    keys
        Level · 2³² + number of the geometry, by row: what tells launches apart.
    """

    kind: Kind
    start: int
    stop: int
    keys: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows of a block without the places of its maps.

    Attributes
    ----------
    fields
        Of all rows, one kind behind the other.
    positions, references
        Which of these are places, and of what: buffers, then what the block reads.
    buffers
        Their elements and moments.
    last
        Last moment at which each map that the block reads is read.
    """

    fields: NDArray[np.int64]
    segments: tuple[Segment, ...]
    positions: NDArray[np.int64]
    references: NDArray[np.int64]
    buffers: tuple[Lifetime, ...]
    last: tuple[int, ...]


@dataclass(slots=True)
class _Buffer:
    elements: int
    first: int
    last: int


@dataclass(slots=True)
class _Row:
    level: int
    geometry: int
    fields: list[int]
    places: Mapping[int, int]


class Ledger:
    """Buffers, moments and rows of a block that is being planned.

    Parameters
    ----------
    shapes
        Of its nodes, what it reads included.
    images
        B; 2 in the pass of the flow.
    externals
        How many of the nodes, the first ones, are made elsewhere.
    inputs
        Nodes of the block that are the images.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        images: int,
        externals: int,
        inputs: Collection[int],
    ) -> None:
        self.shapes, self.images = shapes, images
        self.work = 0
        self._externals, self._inputs = externals, inputs
        self._rows: dict[int, list[_Row]] = {}
        """By kind."""
        self._buffers: list[_Buffer] = []
        self._maps: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._last = [NEVER] * externals

    def moment(self, kind: Kind, *after: int) -> int:
        """Return the first moment of a kind that is behind others."""
        level = 0
        for moment in after:
            if moment >= 0:
                level = max(level, moment // _KINDS + (moment % _KINDS >= kind))
        return level * _KINDS + kind

    def level(self, moment: int) -> int:
        """Return the level of a moment."""
        return moment // _KINDS

    def at(self, moment: int, kind: Kind) -> int:
        """Return the moment of a kind in the level of another."""
        return moment // _KINDS * _KINDS + kind

    def when(self, number: int) -> int:
        """Return the moment at which a map is made, NEVER if that is elsewhere."""
        return self._ready.get(number, NEVER)

    def read(self, number: int, moment: int) -> int:
        """Note that a map is read at a moment; return a reference to it."""
        self.work += self.images * prod(self.shapes[number])
        if number < self._externals:
            self._last[number] = max(self._last[number], moment)
            return _EXTERNAL + number
        if number in self._inputs:
            return IMAGES
        return self.touch(self._maps[number], moment)

    def make(self, number: int, moment: int) -> int:
        """Note that a map is made at a moment; return a reference to it."""
        elements = self.images * prod(self.shapes[number])
        self.check(elements, number)
        self.work += elements
        self._ready[number] = moment
        self._maps[number] = self.buffer(elements, moment)
        return self._maps[number]

    def moments(self, number: int, moment: int) -> int:
        """Make the buffer of a map's moments; return a reference to it."""
        channels, height, width = self.shapes[number]
        tiles = -(-self.images * height * width // TILE)
        return self.buffer(tiles * 2 * channels, moment)

    def buffer(self, elements: int, moment: int) -> int:
        """Make a buffer that is first written at a moment; return a reference to it."""
        self._buffers.append(_Buffer(elements, moment, moment))
        return len(self._buffers) - 1

    def touch(self, buffer: int, moment: int) -> int:
        """Note that a buffer is used at a moment; return it."""
        entry = self._buffers[buffer]
        entry.last = max(entry.last, moment)
        return buffer

    def keep(self, number: int) -> int | None:
        """Keep a map for later blocks; return its buffer, None where the block makes none."""
        buffer = self._maps.get(number)
        if buffer is not None:
            self._buffers[buffer].last = FOREVER
        return buffer

    def emit(
        self,
        moment: int,
        geometry: int,
        fields: list[int],
        places: Mapping[int, int],
    ) -> None:
        """Write a row; ``places`` are references by field."""
        row = _Row(moment // _KINDS, geometry, fields, places)
        self._rows.setdefault(moment % _KINDS, []).append(row)

    def check(self, elements: int, number: int) -> None:
        """Refuse a map that is too large."""
        if elements > MOST_ELEMENTS:
            raise CannotGroupError(
                f"node {number} has {elements} elements for {self.images} images; the GPU engine "
                f"counts up to {MOST_ELEMENTS}; take smaller batches"
            )

    def draft(self) -> Draft:
        """Return what was written."""
        fields: list[int] = []
        keys: list[int] = []
        bounds: list[tuple[int, int, int]] = []
        positions: list[int] = []
        references: list[int] = []
        shift = len(self._buffers) - _EXTERNAL
        for kind, rows in self._rows.items():
            width = FIELDS[_KIND[kind]]
            bounds.append((kind, len(fields), len(keys)))
            for row in rows:
                base = len(fields)
                fields += row.fields
                fields += [NOTHING] * (width - len(row.fields))
                keys.append(row.level << 32 | row.geometry)
                for place, reference in row.places.items():
                    if reference == IMAGES:
                        fields[base + place] = IMAGES
                        continue
                    positions.append(base + place)
                    references.append(reference + shift * (reference >= _EXTERNAL))
        known = np.array(keys, np.int64)
        ends = [*bounds, (0, len(fields), len(keys))][1:]
        return Draft(
            fields=np.array(fields, np.int64),
            segments=tuple(
                [
                    Segment(_KIND[kind], start, stop, known[first:last])
                    for (kind, start, first), (_, stop, last) in zip(bounds, ends, strict=True)
                ]
            ),
            positions=np.array(positions, np.int64),
            references=np.array(references, np.int64),
            buffers=tuple([(b.elements, b.first, b.last) for b in self._buffers]),
            last=tuple(self._last),
        )
