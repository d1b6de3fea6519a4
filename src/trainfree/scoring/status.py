"""What became of a score. A failed one is a row with a status, never a made-up number."""

from __future__ import annotations

from enum import IntEnum
from math import inf, isnan, nan

import numpy as np
import torch

from trainfree.outside.foreign import ForeignError, contained, kind_of, told, words_of
from trainfree.proxies.checks import is_number
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
    if not is_number(value):
        return nan, Status.ERROR, f"the proxy returned {_described(value)}, expected one float"
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return nan, Status.OVERFLOW, "the proxy returned a number beyond what a float can hold"
    if isnan(number):
        return nan, Status.NOT_FINITE, "the proxy returned NaN"
    if number == inf:
        return nan, Status.OVERFLOW, "the proxy returned +inf"
    return number, Status.SINGULAR if number == -inf else Status.OK, ""


def judge_failure(error: BaseException) -> tuple[float, Status, str]:
    """Return score, status and message for a proxy that raised, whatever it raised."""
    kind = type(error)
    if issubclass(kind, UndefinedScoreError):
        score, status, _ = _stated_score(error)
        return score, Status.UNDEFINED if isnan(score) else status, words_of(error)
    lacking = Status.OUT_OF_MEMORY if is_out_of_memory(error) else Status.ERROR
    return nan, lacking, told(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is an allocation that failed, on the CPU or on a GPU."""
    if issubclass(type(error), MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = words_of(error)
    signs = ("can't allocate memory", "not enough memory")
    return issubclass(type(error), RuntimeError) and any(sign in text for sign in signs)


def _stated_score(error: BaseException) -> tuple[float, Status, str]:
    """Judge the score that an UndefinedScoreError brings along; one that has none means NaN."""
    try:
        with contained():
            return judge(vars(error).get("score", nan))
    except ForeignError:
        return nan, Status.UNDEFINED, ""


def _described(value: object) -> str:
    if issubclass(type(value), np.ndarray | torch.Tensor):
        return f"{kind_of(value)} of shape {tuple(value.shape)}"  # type: ignore[attr-defined]
    return kind_of(value)
