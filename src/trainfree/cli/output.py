"""What becomes of a command whose output nobody reads any more, or cannot be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TextIO

EXIT_UNREAD = 141
"""As a shell says it of a program that ended because its reader had gone: 128 + SIGPIPE."""
EXIT_UNWRITABLE = 2
Arguments = ParamSpec("Arguments")


class OutputError(OSError):
    """Standard output or standard error cannot be written; no other pipe or file is meant."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason.errno, reason.strerror)
        self.reason = reason


class _Watched:
    """A standard stream whose errors are told from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._given_up(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._given_up(error) from error

    def _given_up(self, error: OSError) -> OutputError:
        """Let what is held back go nowhere, so that the interpreter's end has nothing to write."""
        with suppress(OSError, ValueError):  # a stream without a descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        return OutputError(error)


def ends_with_its_reader(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Let a command end quietly when what reads its output has ended (``… | head -1``).

    Output that cannot be written for another reason is an error that a sentence names.
    """

    @wraps(main)
    def to_its_end(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        streams: list[Any] = [_Watched(each or _nowhere()) for each in (sys.stdout, sys.stderr)]
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            try:
                try:
                    return main(*args, **kwargs)
                finally:  # also where argparse has written its help
                    for stream in streams:
                        stream.flush()
            except OutputError as error:
                return _told(error)

    return to_its_end


def _nowhere() -> TextIO:
    """Return what stands in for a stream that was closed before the program began."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _told(error: OutputError) -> int:
    if isinstance(error.reason, BrokenPipeError):
        return EXIT_UNREAD
    with suppress(OSError):
        print(f"trainfree: error: output cannot be written ({error.reason})", file=sys.stderr)
    return EXIT_UNWRITABLE
