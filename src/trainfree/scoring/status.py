"""What became of a score. A failed one is a row with a status, never a made-up number."""

from __future__ import annotations

from enum import IntEnum
from math import inf, isnan, nan
from numbers import Real

import torch

from trainfree.proxies.registry import UndefinedScoreError


class Status(IntEnum):
    """Status of one score; the values are those stored in the files."""

    OK = 0
    SINGULAR = 1
    """−inf by definition: a singular kernel, or no weight that reaches the output."""
    OVERFLOW = 2
    NOT_FINITE = 3
    OUT_OF_MEMORY = 4
    ERROR = 5
    UNDEFINED = 6
    """The proxy's formula has no value here, for example for images of one class."""


def judge(value: object) -> tuple[float, Status, str]:
    """Return the score to store, its status and a message for what a proxy returned.

    Anything but a number is an error of the proxy, and says so.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        shape = getattr(value, "shape", None)
        found = type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
        return nan, Status.ERROR, f"the proxy returned {found}, expected one float"
    number = float(value)
    if isnan(number):
        return nan, Status.NOT_FINITE, "the proxy returned NaN"
    if number == inf:
        return nan, Status.OVERFLOW, "the proxy returned +inf"
    return number, Status.SINGULAR if number == -inf else Status.OK, ""


def judge_failure(error: Exception) -> tuple[float, Status, str]:
    """Return score, status and message for a proxy that raised."""
    if isinstance(error, UndefinedScoreError):
        score, status, _ = judge(error.score)
        return score, Status.UNDEFINED if isnan(score) else status, str(error)
    kind = Status.OUT_OF_MEMORY if is_out_of_memory(error) else Status.ERROR
    return nan, kind, f"{type(error).__name__}: {error}".splitlines()[0]


def is_out_of_memory(error: Exception) -> bool:
    """Whether ``error`` is an allocation that failed, on the CPU or on a GPU."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error)
    signs = ("can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
