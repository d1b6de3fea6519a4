"""The errors a user can meet, and the sentence each of them is made of.

Every message names the thing that is wrong (file, key, architecture), what was expected, what was
found and what to do about it. The command line prints the message alone, without a traceback, for
any :class:`TrainfreeError`; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self


class TrainfreeError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigError(TrainfreeError):
    """A configuration key is unknown, of the wrong type, or contradicts another."""


class UnknownNameError(ConfigError):
    """A proxy, space, data set, algorithm or source that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(
            f"unknown {kind} {shown(name)}{near_match(name, self.known)}; "
            f"known are: {', '.join(self.known)}"
        )

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, list[str]]]:
        """Return what makes it again in another process."""
        return type(self), (self.kind, self.name, self.known)


class SourceError(TrainfreeError):
    """Bytes could not be had from a source, or were not the bytes that were promised."""


class HashMismatchError(SourceError):
    """A download is complete but not the file it should be."""


class ForbiddenPickleError(SourceError):
    """A pickle asks for a class that the restricted unpickler does not admit."""


class DataFileError(TrainfreeError):
    """A data file is missing, truncated, of another schema version or of another config."""


class UnreadableFileError(DataFileError):
    """A file may well be whole, but what stands beside it keeps it from being read.

    A permission, another program that is writing to it, too many open files, a device or a pipe
    in its place, a failing disk. Never a reason to delete the file.
    """


class DamagedFileError(DataFileError):
    """A file can be read, but its bytes are not those that were written."""


class ArchitectureError(TrainfreeError):
    """An architecture string, tuple or index is not part of the space."""


class ModelError(TrainfreeError):
    """A torch model that cannot be scored, or inputs, labels or outputs that do not fit it."""


class ImageError(TrainfreeError):
    """Images that cannot be scored: all equal, not finite, wrong shape, too few."""


def near_match(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object, longest: int = 100) -> str:
    """Return a value as it stands in a message: like ``repr``, and cut where it is long."""
    if isinstance(value, int) and value.bit_length() > 4 * longest:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        return repr(shortened(value, longest))
    try:
        return shortened(repr(value), longest)
    except ValueError:  # a number of thousands of digits somewhere inside
        return f"a {type(value).__name__} that is too long to be shown"


def shortened(text: str, longest: int = 100) -> str:
    """Return a text, cut where it is longer, with its length."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
