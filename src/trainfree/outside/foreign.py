"""Calling code of others: proxies, searches, spaces and image sets from outside the suite.

Whatever such code raises, however it exits and whatever it changes in the process ends in one
sentence and stays with its author. A process that is ended outright (``os._exit``, a crash) cannot
be helped from inside; the workflow notices that its file is missing.
"""

from __future__ import annotations

import operator
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from types import FrameType
from typing import Any

from trainfree.errors import ConfigError, TrainfreeError
from trainfree.outside.process_state import StateLostError, unchanged

LONGEST = 500
"""Characters of a message from outside that are kept."""
_FRAMES = 20


class ForeignError(Exception):
    """What code of others raised, in one clean sentence.

    Parameters
    ----------
    raised
        The exception itself, of any kind. Nothing of it may be trusted to be callable.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(told(raised))
        self.raised = raised


@contextmanager
def contained() -> Iterator[None]:
    """Let code of others run inside: what it raises becomes a ForeignError, what it sets is undone.

    A user's own interrupt still ends the program, also one that the code inside swallows.

    Raises
    ------
    ForeignError
        For anything that is raised inside, exits included.
    StateLostError
        When something of the process cannot be put back: nothing may be computed any more.
    """
    process = os.getpid()
    with _interrupts() as sent:
        try:
            with unchanged():
                try:
                    yield
                finally:
                    if os.getpid() != process:  # forked inside, and no second job
                        os._exit(1)
        except StateLostError:
            raise
        except BaseException as error:
            if sent():
                raise KeyboardInterrupt from error
            raise ForeignError(error) from error
        if sent():
            raise KeyboardInterrupt


@contextmanager
def blamed_on(
    where: str | Callable[[], str], passing: type[Exception] | tuple[()] = ()
) -> Iterator[None]:
    """Run code of others of which a failure is its author's to mend: a ConfigError says where.

    Parameters
    ----------
    where
        The file, the name, the step; asked for when something has failed.
    passing
        Errors of the suite that such code may raise on purpose, which stay what they are.

    Raises
    ------
    ConfigError
        ``where: Kind: what it said``, or for an error of the suite ``where: what it said``.
    """
    try:
        with contained():
            yield
    except ForeignError as error:
        raised, kind = error.raised, type(error.raised)
        if passing and issubclass(kind, passing):
            raise raised from None
        own = issubclass(kind, TrainfreeError)
        said = words_of(raised, 4 * LONGEST) if own else str(error)
        place = where if isinstance(where, str) else where()
        raise ConfigError(f"{place}: {said}") from error


def told(error: BaseException) -> str:
    """Return ``Kind: what it says`` of an exception, whatever asking it does."""
    return cleaned(f"{kind_of(error)}: {words_of(error)}").removesuffix(":")


def words_of(error: BaseException, most: int = LONGEST) -> str:
    """Return what an exception says, clean; a remark where it cannot say anything."""
    return _careful(lambda: cleaned(str(error), most), "(its text is not available)")


def shown(value: object) -> str:
    """Return what a value looks like, for "found …": its type, and its text where it is plain."""
    kind = type(value)
    if kind in (int, float, bool, str, type(None), complex):
        return _careful(lambda: cleaned(repr(value)), f"a {kind.__name__} too long to show")
    return kind_of(value)


def whole_number(value: object) -> int | None:
    """Return a value as an int if it is a whole number (NumPy's too), and None for all else."""
    if not issubclass(type(value), Integral) or issubclass(type(value), bool):
        return None
    return operator.index(value)  # type: ignore[arg-type]


def cleaned(text: str, most: int = LONGEST) -> str:
    """Return the first line of a text with nothing in it that a file or a terminal may not hold."""
    exact = str.__getitem__(text, slice(2 * most))  # of a subclass's text, too
    line = next(iter(exact.strip().splitlines()), "")
    kept = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def trace_of(error: BaseException) -> str:
    """Return where an exception came from, innermost call last, without asking the exception."""
    place = vars(BaseException)["__traceback__"].__get__(error)
    return _careful_lines(lambda: traceback.format_tb(place, limit=-_FRAMES))


def kind_of(value: object) -> str:
    """Return the name of a value's type, whatever the type says of itself."""
    return cleaned(vars(type)["__name__"].__get__(type(value)))


def _careful(text: Callable[[], str], otherwise: str) -> str:
    with _interrupts() as sent:
        try:
            return text()
        except BaseException as error:
            if sent():
                raise KeyboardInterrupt from error
            return otherwise


def _careful_lines(lines: Callable[[], list[str]]) -> str:
    try:
        return "".join(lines())
    except Exception:  # noqa: BLE001  (source lines come from a loader that others may have set)
        return "(no trace can be had)\n"


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Tell an interrupt that a user sends from one that is merely raised."""
    seen: list[int] = []
    handler: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, handler)
