"""Whether what a proxy announces of itself can be true, and where it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from numbers import Real
from typing import get_args

from trainfree.drawing import Initialization, InputKind
from trainfree.errors import TrainfreeError, UnknownNameError


def check_words(
    name: object, needs: object, known: Collection[str], higher_is_better: object, cite: object
) -> None:
    """Refuse what is said in ``@proxy(…)`` where it is of another kind than it has to be.

    ``known`` are the needs that there are.
    """
    if not isinstance(name, str):
        raise TrainfreeError(f"@proxy: name: expected a string, found {name!r}")
    where = f"@proxy({name!r}):"
    if isinstance(needs, str) or not isinstance(needs, Collection):
        raise TrainfreeError(f"{where} needs: expected a list of strings, found {needs!r}")
    for need in needs:
        if need not in known:
            raise UnknownNameError("need", str(need), known)
    if not isinstance(higher_is_better, bool):
        raise TrainfreeError(
            f"{where} higher_is_better: expected True or False, found {higher_is_better!r}"
        )
    if not isinstance(cite, str):
        raise TrainfreeError(f"{where} cite: expected a string, found {cite!r}")


def check_drawn(name: str, input: object, weights: object) -> None:
    """Refuse kinds of mini-batches and of weights in ``@proxy(…)`` that there are not."""
    for word, kind, known in (
        ("input", input, get_args(InputKind)),
        ("weights", weights, get_args(Initialization)),
    ):
        if kind is None:
            continue
        if not isinstance(kind, str):
            raise TrainfreeError(f"@proxy({name!r}): {word}: expected a string, found {kind!r}")
        if kind not in known:
            raise UnknownNameError(f"kind of {word}", kind, known)


def check_function(name: str, function: object) -> None:
    """Refuse what cannot be called with a candidate and return a number."""
    found = repr(function) if not callable(function) else ""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        found = "an async function"
    elif inspect.isgeneratorfunction(function):
        found = "a generator, which yields instead of returning"
    elif callable(function):
        try:
            signature = inspect.signature(function)
        except ValueError:  # some built-in functions have none
            return
        try:
            signature.bind(None)
        except TypeError:
            found = f"one with the arguments {signature}"
    if found:
        raise TrainfreeError(
            f"@proxy({name!r}): expected a function of one argument, the candidate, found {found}"
        )


def is_number(value: object) -> bool:
    """Whether a value is a real number: Python's, NumPy's or a fraction, but no truth value.

    It is its type that counts, since an object may claim any class.
    """
    return issubclass(type(value), Real) and not issubclass(type(value), bool)


def origin(function: object) -> str:
    """Return where a proxy comes from, for messages and to tell one from another."""
    code = getattr(function, "__code__", None)
    return f"{getattr(function, '__module__', '?')} ({getattr(code, 'co_filename', '?')})"


def may_replace(function: object, taken: object) -> bool:
    """Whether a function is a later version of another: the same file's, or a notebook's cell's.

    Each cell of a notebook has a file name of its own.
    """
    modules = {getattr(each, "__module__", "") for each in (function, taken)}
    return modules == {"__main__"} or origin(function) == origin(taken)
