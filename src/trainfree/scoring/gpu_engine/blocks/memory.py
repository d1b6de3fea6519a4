"""What is planned once for all that are equal, as long as there is room for it."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

_MOST = 4096
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Memory(Generic[_Key, _Value]):
    """Values by key, forgotten together when there are many."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Value] = {}
        self.get = self._known.get

    def put(self, key: _Key, value: _Value) -> _Value:
        """Remember a value; return it."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = value
        return value


class Numbers(Generic[_Key]):
    """Numbers of keys: short names that are the same for equal keys, and never given twice."""

    def __init__(self) -> None:
        self._known: Memory[_Key, int] = Memory()
        self._next = count()

    def of(self, key: _Key) -> int:
        """Return the number of a key."""
        found = self._known.get(key)
        return self._known.put(key, next(self._next)) if found is None else found
