"""What any configuration has to look like before its keys are looked at.

Whatever has read it (the suite's own reader, Snakemake's, a program), these checks keep values
away that no key takes and that would only fail later: numbers of thousands of digits, nesting
without end, aliases that unfold to millions of values, text that no file could hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainfree.errors import ConfigError, shown

DEEPEST = 32
MOST_VALUES = 20_000
LONGEST_TEXT = 8192
LONGEST_KEY = 200
_WIDEST_NUMBER = 64


def check_shape(values: Mapping[Any, Any], origin: str) -> None:
    """Check a mapping of keys: what it is made of, not what it says.

    Raises
    ------
    ConfigError
        Naming ``origin``, the key, what was expected and what was found.
    """
    pending: list[tuple[str, int, Any]] = [("", 0, values)]
    seen = 0
    while pending:
        where, depth, value = pending.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ConfigError(
                f"{origin}: expected at most {MOST_VALUES} values in all, found more; an alias "
                "(*name) that is used again and again may unfold to millions"
            )
        if depth > DEEPEST:
            raise ConfigError(
                f"{origin}: {shown(where)}: expected at most {DEEPEST} levels of keys, found more"
            )
        problem = _problem(value)
        if problem:
            raise ConfigError(f"{origin}: {where or 'the file'}: {problem}")
        if isinstance(value, Mapping):
            for key, below in value.items():
                _check_key(key, where, origin)
                pending.append((f"{where}.{key}".lstrip("."), depth + 1, below))
        elif isinstance(value, list | tuple):
            pending.extend((f"{where}.{i}", depth + 1, below) for i, below in enumerate(value))


def _check_key(key: Any, where: str, origin: str) -> None:
    inside = f" in {where}" if where else ""
    if not isinstance(key, str):
        hint = (
            "; YAML takes no, off, yes and on for booleans, and 1 for a number: put quotes around"
            if isinstance(key, bool | int | float)
            else ""
        )
        raise ConfigError(
            f"{origin}: expected keys that are text{inside}, found {shown(key)}{hint}"
        )
    if len(key) > LONGEST_KEY or _unprintable(key):
        raise ConfigError(
            f"{origin}: expected keys of at most {LONGEST_KEY} printable characters{inside}, found "
            f"{shown(key)} with {len(key)}"
        )


def _problem(value: Any) -> str:
    """Say in words why no key takes a value; empty where some may."""
    if isinstance(value, int) and value.bit_length() > _WIDEST_NUMBER:
        return (
            f"expected a whole number of at most {_WIDEST_NUMBER} bits, found one of "
            f"{value.bit_length()} bits"
        )
    if isinstance(value, bytes | set | frozenset):
        return f"expected text, numbers, lists or keys, found {type(value).__name__}"
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            return (
                f"expected at most {LONGEST_TEXT} characters of text, found {len(value)}: "
                f"{shown(value)}; a value names a file, it does not hold its content"
            )
        if _unprintable(value):
            return f"expected text of printable characters in one line, found {shown(value)}"
    return ""


def _unprintable(text: str) -> bool:
    """Whether a text has control characters or halves of characters, which no file name has."""
    return any(
        ord(character) < ord(" ")
        or "\x7f" <= character < "\xa0"
        or "\ud800" <= character <= "\udfff"
        for character in text
    )
