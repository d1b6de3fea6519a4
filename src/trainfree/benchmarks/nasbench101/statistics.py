"""The published dictionaries of all cells, each entry made when somebody asks for it.

Published code reads ``fixed_statistics`` and ``computed_statistics`` as dictionaries by hash, and
some edits their entries in place. Here they are views of the table: as long as the table's cells,
in its order, and an entry that was handed out is kept, so that an edit of it stays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, KeysView, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Entry = TypeVar("Entry")


class Hashes(KeysView[str]):
    """The hashes of all cells, ascending: a view like that of a dictionary's keys.

    It has a length and can be gone over again and again; ``next`` works on it, too, as the name
    ``hash_iterator`` promises.
    """

    def __init__(self, statistics: Mapping[str, Any]) -> None:
        super().__init__(statistics)
        self._own = iter(statistics)

    def __next__(self) -> str:
        return next(self._own)


class Statistics(Mapping[str, Entry]):
    """Entries by hash.

    Parameters
    ----------
    hashes
        (cells, 16) bytes, ascending.
    row_of
        Returns the row of a hash; raises KeyError where there is none.
    entry
        Makes the entry of a row.
    """

    def __init__(
        self,
        hashes: NDArray[np.uint8],
        row_of: Callable[[str], int],
        entry: Callable[[int], Entry],
    ) -> None:
        self._hashes, self._row_of, self._entry = hashes, row_of, entry
        self._kept: dict[str, Entry] = {}

    def __getitem__(self, module_hash: str) -> Entry:
        if module_hash not in self._kept:
            self._kept[module_hash] = self._entry(self._row_of(module_hash))
        return self._kept[module_hash]

    def __iter__(self) -> Iterator[str]:
        for row in self._hashes:
            yield row.tobytes().hex()

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, module_hash: object) -> bool:
        try:
            self._row_of(module_hash)  # type: ignore[arg-type]
        except KeyError:
            return False
        return True

    def __repr__(self) -> str:
        return f"<statistics of {len(self):,} cells by hash>"

    def copy_of(self, module_hash: str, row: int) -> Entry:
        """Return an entry that is the caller's own; ``row`` is the one of the hash."""
        kept = self._kept.get(module_hash)
        return self._entry(row) if kept is None else copy.deepcopy(kept)
