"""Writing to a terminal or a pipe: tables, colours where there are any, nothing that is a command.

Text from files and logs is not to be trusted: control characters, with which it could move the
cursor or change colours, are shown as escapes, and nothing is read as markup.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_ASCII = {
    ord(letter): plain
    for letters, plain in (
        ("├┤┬┴┼┌┐└┘", "+"),
        ("─−–", "-"),
        ("│", "|"),
        ("▶", ">"),
        ("▲", "^"),
        ("×", "x"),
        ("→", "->"),
        ("…", "..."),
        ("∞", "inf"),
        ("±", "+-"),
    )
    for letter in letters
}
"""What stands in for our own letters where the stream cannot take them."""
_STYLES = {
    "done": "green",
    "equal": "green",
    "ok": "green",
    "running": "cyan",
    "note": "yellow",
    "outdated": "yellow",
    "stopped": "yellow",
    "differs": "bold yellow",
    "failed": "bold red",
    "damaged": "bold red",
    "unreadable": "bold red",
    "error": "bold red",
    "overflow": "bold red",
    "not_finite": "bold red",
    "out_of_memory": "bold red",
    "missing": "bold red",
}
"""Colours of the words in a column called ``state``; the word itself says the same."""


def clean(value: object) -> str:
    """Return text on one line in which control characters are visible escapes."""
    return visible(" ".join(str(value).split()))


def visible(line: str) -> str:
    """Return a line of text with its spaces, and with control characters as visible escapes."""
    return "".join(_visible(letter) for letter in line)


def _visible(letter: str) -> str:
    if unicodedata.category(letter) not in _HIDDEN:
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def encodable(text: str, stream: TextIO) -> str:
    """Return text that a stream can take: with stand-ins for letters that it cannot."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


class Screen:
    """Where a command writes: with colours to a terminal, as plain aligned text elsewhere.

    Parameters
    ----------
    stream
        Standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False)

    def title(self, text: str) -> None:
        """Write a heading after an empty line."""
        self.line()
        self._write(clean(text), "bold")

    def line(self, text: str = "") -> None:
        """Write one line of text."""
        self._write(clean(text), "")

    def drawing(self, lines: Iterable[str]) -> None:
        """Write lines whose spaces matter; they must not hold foreign text."""
        for text in lines:
            self._write(text, "")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table; a column whose title starts with ``>`` is set flush right."""
        right = [name.startswith(">") for name in columns]
        titles = [name.removeprefix(">") for name in columns]
        cells = [[self._encodable(clean(cell)) for cell in row] for row in rows]
        if self._console.is_terminal:
            self._console.print(_rich_table(titles, right, cells))
            return
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        for row in (titles, *cells):
            padded = (
                cell.rjust(width) if flush else cell.ljust(width)
                for cell, width, flush in zip(row, widths, right, strict=True)
            )
            self._write("  ".join(padded).rstrip(), "")

    def _write(self, text: str, style: str) -> None:
        shown = self._encodable(text)
        if self._console.is_terminal and style:
            self._console.print(Text(shown, style), soft_wrap=True)
        else:
            self._stream.write(shown + "\n")

    def _encodable(self, text: str) -> str:
        return encodable(text, self._stream)


def _rich_table(titles: Sequence[str], right: Sequence[bool], cells: list[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title, flush in zip(titles, right, strict=True):
        table.add_column(Text(title), justify="right" if flush else "left", overflow="fold")
    for row in cells:
        table.add_row(
            *(
                Text(cell, _style(cell) if title == "state" else "")
                for title, cell in zip(titles, row, strict=True)
            )
        )
    return table


def _style(cell: str) -> str:
    """Return the colour of the gravest word in a cell."""
    words = cell.replace(",", " ").replace(";", " ").split()
    known = [style for word, style in _STYLES.items() if word in words]
    return known[-1] if known else ""
