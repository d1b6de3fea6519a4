"""Long lists in JSON, read an entry at a time so that no file fills the memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from trainfree.errors import SourceError
from trainfree.sources.formats.reading import MIB, brief

MOST_ENTRY = 64 * MIB
"""Characters of one entry; the largest known have one."""
_SPACE = " \t\r\n"


def read_entries(stream: IO[bytes], where: str, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the dictionaries of a list, or of the lists of a dictionary with their key.

    Parameters
    ----------
    stream
        The file, in UTF-8.
    where
        Its name, for messages.
    most
        Entries that it may have.

    Raises
    ------
    SourceError
        When the file is no complete JSON of this form, or has more or larger entries.
    """
    text = _Text(stream, where)
    seen = 0
    for key in text.lists():
        for entry in text.items(f"an entry of {key or 'the list'}"):
            if not isinstance(entry, dict):
                raise SourceError(
                    f"{where}: entry {seen}: expected a dictionary, found {brief(entry)}"
                )
            seen += 1
            if seen > most:
                raise SourceError(f"{where}: expected at most {most:,} entries, found more")
            yield key, entry


class _Text:
    """A window on the text of a file; everything before the place of reading is forgotten."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._stream, self._where = stream, where
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._window, self._place, self._ended = "", 0, False

    def lists(self) -> Iterator[str]:
        """Yield the keys of a dictionary of lists, or one empty key before a plain list."""
        if self._peek() == "{":
            self._place += 1
            for key in self._separated("}"):
                name = self._value(f"a key, found {key!r}")
                if not isinstance(name, str):
                    raise self._wrong(f"a key, found {brief(name)}")
                self._take(":")
                yield name
        else:
            yield ""
        if self._peek():
            raise self._wrong(f"the end, found {self._peek()!r}")

    def items(self, what: str) -> Iterator[Any]:
        """Yield the values of the list that begins here."""
        self._take("[")
        for _ in self._separated("]"):
            yield self._value(what)

    def _separated(self, end: str) -> Iterator[str]:
        """Yield before each value, and take what stands between them up to ``end``."""
        if self._peek() == end:
            self._place += 1
            return
        while True:
            yield self._peek()
            if self._peek() == end:
                self._place += 1
                return
            self._take(",")

    def _take(self, sign: str) -> None:
        found = self._peek()
        if found != sign:
            told = repr(found) if found else "the end: it is truncated; get a new copy"
            raise self._wrong(f"{sign!r}, found {told}")
        self._place += 1

    def _peek(self) -> str:
        """Return the next sign that is no space, or nothing at the end."""
        while True:
            while self._place < len(self._window) and self._window[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._window):
                return self._window[self._place]
            if not self._more():
                return ""

    def _value(self, what: str) -> Any:
        if not self._peek():
            raise self._wrong(f"{what}, found the end: it is truncated; get a new copy")
        if self._window[self._place] not in '{["':  # a number could go on behind the window
            raise self._wrong(f"{what}, found {self._window[self._place : self._place + 20]!r}")
        while True:
            try:
                value, self._place = self._json.raw_decode(self._window, self._place)
            except json.JSONDecodeError as error:
                if len(self._window) - self._place > MOST_ENTRY:
                    raise self._wrong(
                        f"{what}, found none in {MOST_ENTRY:,} characters ({error.msg})"
                    ) from None
                # Doubling the window keeps the time linear in an entry's length.
                if not self._more(len(self._window) - self._place):
                    raise self._wrong(
                        f"{what}, found none that is complete ({error.msg}): the file is "
                        "truncated or damaged; get a new copy"
                    ) from None
            except (RecursionError, ValueError, MemoryError) as error:
                raise self._wrong(f"{what}, found none ({type(error).__name__})") from None
            else:
                return value

    def _more(self, least: int = 0) -> bool:
        """Put more of the file into the window; whether there was any."""
        if self._ended:
            return False
        data = self._stream.read(max(MIB, least))
        self._ended = not data
        try:
            text = self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError:
            raise self._wrong("text in UTF-8, found other bytes") from None
        self._window, self._place = self._window[self._place :] + text, 0
        return bool(data)

    def _wrong(self, expected: str) -> SourceError:
        return SourceError(f"{self._where}: expected JSON with {expected}")
