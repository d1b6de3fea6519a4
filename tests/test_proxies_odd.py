"""Whatever a proxy from outside raises or returns is a status and a clean sentence of its own."""

from __future__ import annotations

import builtins
import math
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.outside.foreign import LONGEST
from trainfree.proxies.registry import NEEDS, Candidate, Proxy, UndefinedScoreError
from trainfree.scoring.jobs.shard import attempt, score_shard
from trainfree.scoring.jobs.trial import small_candidate, try_proxy
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

ALIVE = 728


def made(function: Callable[[Candidate], Any], **words: Any) -> Proxy:
    return Proxy("made", function, frozenset(NEEDS), **words)


def outcome(function: Callable[[Candidate], Any], **words: Any) -> tuple[float, Status, str]:
    return attempt(small_candidate(ALIVE), made(function, **words), ALIVE)[:3]


# ---------------------------------------------------------------- exits and exceptions


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)

    __repr__ = __str__


class Posing(Exception):
    @property
    def __class__(self):  # type: ignore[override]
        raise RuntimeError("no class")


class Traceless(Exception):
    @property
    def __traceback__(self):  # type: ignore[override]
        raise RuntimeError("no trace")


class Needy(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


class Text(str):
    def splitlines(self, keepends: bool = False) -> list[str]:
        raise RuntimeError("no lines")

    strip = splitlines  # type: ignore[assignment]


class Fancy(Exception):
    def __str__(self) -> str:
        return Text("a fancy text")


class NoScore(UndefinedScoreError):
    def __init__(self) -> None:
        Exception.__init__(self, "without a score")


class Loud(BaseException):
    pass


def circle() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def deep(candidate: Any) -> float:
    return deep(candidate)


RAISED = [
    (lambda: ValueError("a\0b"), Status.ERROR, "ValueError: a\N{REPLACEMENT CHARACTER}b"),
    (lambda: ValueError("a\ud800b"), Status.ERROR, "ValueError: a\N{REPLACEMENT CHARACTER}b"),
    (lambda: ValueError("\x1b[31mred\u202e"), Status.ERROR, "[31mred"),
    (lambda: ValueError("x" * 10_000_000), Status.ERROR, "xxx"),
    (lambda: ValueError("one\ntwo"), Status.ERROR, "ValueError: one"),
    (lambda: ValueError(), Status.ERROR, "ValueError"),
    (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), Status.ERROR, "UnicodeDecodeError"),
    (lambda: SystemExit(0), Status.ERROR, "SystemExit: 0"),
    (lambda: SystemExit("bye\0"), Status.ERROR, "SystemExit: bye"),
    (lambda: GeneratorExit(), Status.ERROR, "GeneratorExit"),
    (lambda: StopIteration(3), Status.ERROR, "StopIteration: 3"),
    (lambda: KeyboardInterrupt(), Status.ERROR, "KeyboardInterrupt"),
    (lambda: Loud("loud"), Status.ERROR, "Loud: loud"),
    (lambda: MemoryError("all"), Status.OUT_OF_MEMORY, "MemoryError: all"),
    (lambda: RecursionError("deep"), Status.ERROR, "RecursionError"),
    (lambda: Mute(), Status.ERROR, "Mute: (its text is not available)"),
    (lambda: Posing("posing"), Status.ERROR, "Posing: posing"),
    (lambda: Traceless(), Status.ERROR, "Error"),
    (lambda: Fancy(), Status.ERROR, "Fancy: a fancy text"),
    (lambda: circle(), Status.ERROR, "ValueError: first"),
    (
        lambda: ExceptionGroup("many", [ValueError("a"), TypeError("b")]),
        Status.ERROR,
        "ExceptionGroup",
    ),
    (lambda: BaseExceptionGroup("all", [SystemExit(1)]), Status.ERROR, "BaseExceptionGroup: all"),
    (lambda: RuntimeWarning("a warning"), Status.ERROR, "RuntimeWarning: a warning"),
    (
        lambda: UndefinedScoreError("no\0value\ud800"),
        Status.UNDEFINED,
        "no\N{REPLACEMENT CHARACTER}value",
    ),
    (lambda: UndefinedScoreError("odd", score="three"), Status.UNDEFINED, "odd"),  # type: ignore[arg-type]
    (lambda: UndefinedScoreError("odd", score=10**400), Status.UNDEFINED, "odd"),
    (lambda: UndefinedScoreError("odd", score=-math.inf), Status.SINGULAR, "odd"),
    (lambda: NoScore(), Status.UNDEFINED, "without a score"),
    (lambda: Needy(), Status.ERROR, "TypeError"),
]


@pytest.mark.parametrize(("error", "status", "words"), RAISED)
def test_whatever_a_proxy_raises_is_a_status_and_a_clean_sentence(error, status, words, caplog):
    def raising(candidate: Any) -> float:
        raise error()

    score, found, message = outcome(raising)
    assert found == status
    assert words in message
    assert (score == -math.inf) if found == Status.SINGULAR else math.isnan(score)
    for text in (message, *[line for record in caplog.records for line in [record.getMessage()]]):
        text.encode()
        assert "\0" not in text
    assert message.isprintable()
    assert len(message) <= LONGEST


def test_exits_and_endless_recursion_are_statuses():
    assert outcome(lambda c: sys.exit(0))[1:] == (Status.ERROR, "SystemExit: 0")
    assert outcome(lambda c: builtins.exit())[1] == Status.ERROR
    assert "RecursionError: maximum recursion depth" in outcome(deep)[2]
    assert outcome(lambda c: next(iter(())))[1:] == (Status.ERROR, "StopIteration")  # type: ignore
    warned = outcome(lambda c: warnings.simplefilter("error") or np.log(np.zeros(1))[0])
    assert "RuntimeWarning" in warned[2]


@pytest.fixture
def interruptible() -> Iterator[Any]:
    """Python's own answer to an interrupt: tests in the background of a shell ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_user_can_interrupt_a_proxy_and_also_one_that_swallows_it(interruptible):
    def interrupted(candidate: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    def swallowing(candidate: Any) -> float:
        try:
            return interrupted(candidate)
        except BaseException:  # noqa: BLE001
            return 2.0

    for function in (interrupted, swallowing):
        with pytest.raises(KeyboardInterrupt):
            outcome(function)
        assert signal.getsignal(signal.SIGINT) is interruptible


def test_proxies_are_contained_in_threads_as_well():
    found = []
    thread = threading.Thread(target=lambda: found.append(outcome(lambda c: sys.exit(0))))
    thread.start()
    thread.join()
    assert found[0][1] == Status.ERROR


# ---------------------------------------------------------------- returned values


class Odd:
    """An object of which nothing may be asked."""

    def __float__(self) -> float:
        raise SystemExit(1)

    __str__ = __repr__ = __float__  # type: ignore[assignment]
    shape = property(__float__)
    __class__ = property(__float__)  # type: ignore[assignment]


class OddFloat(float):
    def __float__(self) -> float:
        raise SystemExit(1)


class OddArray(np.ndarray):
    shape = property(lambda self: 1 / 0)  # type: ignore[assignment]


class NamedOddly(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit(1)


class FromMeta(metaclass=NamedOddly):
    shape = 7


RETURNED = [
    (lambda: 2, 2.0, Status.OK, ""),
    (lambda: np.float32(0.5), 0.5, Status.OK, ""),
    (lambda: np.int8(-3), -3.0, Status.OK, ""),
    (lambda: np.longdouble(3), 3.0, Status.OK, ""),
    (lambda: Fraction(1, 4), 0.25, Status.OK, ""),
    (lambda: 10**400, None, Status.OVERFLOW, "beyond what a float can hold"),
    (lambda: -(10**400), None, Status.OVERFLOW, "beyond what a float can hold"),
    (lambda: Fraction(10**400), None, Status.OVERFLOW, "beyond what a float can hold"),
    (lambda: 1e400, None, Status.OVERFLOW, "inf"),
    (lambda: Decimal(3), None, Status.ERROR, "returned Decimal"),
    (lambda: 3 + 0j, None, Status.ERROR, "returned complex"),
    (lambda: None, None, Status.ERROR, "returned NoneType"),
    (lambda: "3.0", None, Status.ERROR, "returned str, expected"),
    (lambda: "x" * 10_000_000, None, Status.ERROR, "returned str, expected"),
    (lambda: b"3", None, Status.ERROR, "returned bytes"),
    (lambda: True, None, Status.ERROR, "returned bool"),
    (lambda: np.True_, None, Status.ERROR, "returned bool"),
    (lambda: np.float64, None, Status.ERROR, "returned type"),
    (lambda: np.array(3.0), None, Status.ERROR, "returned ndarray of shape ()"),
    (lambda: torch.tensor(3.0), None, Status.ERROR, "returned Tensor of shape ()"),
    (lambda: [1.0], None, Status.ERROR, "returned list"),
    (lambda: Odd(), None, Status.ERROR, "returned Odd"),
    (lambda: OddFloat(1), None, Status.ERROR, "SystemExit"),
    (lambda: np.zeros(3).view(OddArray), None, Status.ERROR, "ZeroDivisionError"),
    (lambda: FromMeta(), None, Status.ERROR, "returned FromMeta"),
    (lambda: (x for x in ()), None, Status.ERROR, "returned generator"),
]


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize(("value", "score", "status", "words"), RETURNED)
def test_whatever_a_proxy_returns_is_judged(value, score, status, words, higher):
    found, kind, message = outcome(lambda c: value(), higher_is_better=higher)
    if score is not None:
        assert found == (score if higher else -score)
        assert type(found) is float
    elif words == "inf" and not higher:  # lower is better: infinitely bad, see ntk_condition
        assert (found, kind) == (-math.inf, Status.SINGULAR)
        return
    else:
        assert math.isnan(found)
    assert kind == status
    assert words in message
    assert message.isprintable()
    assert len(message) <= LONGEST


# ---------------------------------------------------------------- a whole shard

HOSTILE = """
import os, sys, threading
import torch
from trainfree.proxies.registry import proxy

class Mute(BaseException):
    def __str__(self):
        raise SystemExit(0)

@proxy("abs_in_place", needs=["weights"], cite="as published Synflow code does")
def abs_in_place(candidate):
    return sum(float(weight.abs_().sum()) for weight in candidate.weights.values())

@proxy("nul", needs=[], cite="x")
def nul(candidate):
    raise ValueError("a\\0b\\ud800" + "x" * 1000)

@proxy("huge", needs=[], higher_is_better=False, cite="x")
def huge(candidate):
    return 10 ** 400

@proxy("mute", needs=[], cite="x")
def mute(candidate):
    raise Mute

@proxy("leaving", needs=[], cite="x")
def leaving(candidate):
    os.chdir("/")
    torch.set_num_threads(7)
    sys.exit(0)
"""


def test_a_shard_with_hostile_proxies_has_the_scores_that_the_others_have_alone(tmp_path):
    images, file = tmp_path / "generated.h5", tmp_path / "hostile.py"
    prepare_images("generated", images, order=["generated"], cache=tmp_path, mirror=None, timeout=1)
    file.write_text(HOSTILE)
    names = ("abs_in_place", "nul", "huge", "mute", "leaving")
    own = ("naswot", "l2_norm", "snip", "synflow")
    found = {}
    for key, proxies, extra in (
        ("alone", own, ()),
        ("with", (*names, *own), ((str(file), "0"),)),
    ):
        setting = Setting(
            "nasbench201_mini", "generated", proxies, 8, "pytorch", "images", 0, extra=extra
        )
        score_shard(setting, 600, 602, images, tmp_path / f"{key}.h5", "cpu", threads=1)
        found[key] = read_dataset(tmp_path / f"{key}.h5", "scores")
    for name in ("score", "status"):
        np.testing.assert_array_equal(
            found["with"][name].sel(proxy=list(own)), found["alone"][name]
        )
    statuses = found["with"]["status"].sel(proxy=list(names))[0].to_numpy().tolist()
    assert statuses == [Status.OK, Status.ERROR, Status.OVERFLOW, Status.ERROR, Status.ERROR]
    assert "leaving: SystemExit: 0" in str(found["with"]["message"][0].item())
    assert torch.get_num_threads() == 1
    assert try_proxy("abs_in_place", file, architectures=[728])[0].status == Status.OK
