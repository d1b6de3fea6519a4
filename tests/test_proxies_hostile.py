"""What a proxy from outside does stays its own: edits in place, the process, exits, odd values."""

from __future__ import annotations

import builtins
import gc
import hashlib
import logging
import math
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainfree.errors import TrainfreeError
from trainfree.foreign import LONGEST
from trainfree.images.prepare import prepare_images
from trainfree.proxies import PROXY_NAMES, is_own, load_proxy, registry
from trainfree.proxies.registry import NEEDS, Candidate, Proxy, UndefinedScoreError, proxy
from trainfree.scoring.copies import MEMBERS
from trainfree.scoring.setting import Setting
from trainfree.scoring.shard import attempt, prepare_torch, score_shard
from trainfree.scoring.status import Status
from trainfree.scoring.trial import small_candidate, try_proxy
from trainfree.storage import read_dataset

ALIVE = 728


def made(function: Callable[[Candidate], Any], **words: Any) -> Proxy:
    return Proxy("made", function, frozenset(NEEDS), **words)


def outcome(function: Callable[[Candidate], Any], **words: Any) -> tuple[float, Status, str]:
    return attempt(small_candidate(ALIVE), made(function, **words), ALIVE)[:3]


# ---------------------------------------------------------------- what proxies share


def digest(value: object) -> str:
    """A hash of everything that a value holds."""
    if isinstance(value, torch.Tensor):
        return digest(value.detach().cpu().contiguous().numpy()) + str(value.requires_grad)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest() + str((value.dtype, value.shape))
    if isinstance(value, Mapping):
        return str({key: digest(each) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return str([digest(each) for each in value])
    return repr(value)


def of_the_process() -> str:
    state = (
        *(torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()),
        *(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()),
        *(torch.get_default_device(), torch.is_autocast_enabled("cpu")),
        *(torch.get_float32_matmul_precision(), torch.backends.mkldnn.enabled),
        *(torch.backends.cudnn.allow_tf32, (torch.tensor([1e-40]) * 1).item()),
        *(np.geterr(), random.getstate(), Path.cwd(), dict(os.environ), list(warnings.filters)),
        *(sys.excepthook, sys.getrecursionlimit(), gc.isenabled(), gc.get_threshold()),
        *(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
        *(signal.getitimer(signal.ITIMER_REAL)[0], logging.root.manager.disable),
        *(sys.modules["json"], id(sys.stdout), sys.gettrace()),
    )
    generators = digest(torch.get_rng_state()), digest(np.random.get_state())  # noqa: NPY002
    return digest([*map(repr, state), *generators])


def of_the_candidate(candidate: Any) -> str:
    shared = {name: getattr(candidate, name) for name in sorted(MEMBERS)}
    shared["stream"] = candidate.stream("x").random(3)
    del shared["log_abs_determinant"]
    inside = (candidate._batch, candidate._given_labels, candidate._tape.first)
    return digest([shared, inside, candidate._parameters.bias, registry._REGISTRY])


@pytest.fixture(scope="module")
def shared():
    """A candidate of which everything has been asked for."""
    for name in PROXY_NAMES:
        load_proxy(name)
    candidate = small_candidate(ALIVE)
    of_the_candidate(candidate)
    return candidate


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_no_proxy_of_the_suite_changes_anything_that_is_shared(name, shared):
    before, around = of_the_candidate(shared), of_the_process()
    shared.score(load_proxy(name))
    assert of_the_candidate(shared) == before
    assert of_the_process() == around


def spoil(value: object) -> None:
    """Change a value in place in whatever way it lets itself be changed."""
    if isinstance(value, torch.Tensor):
        spoil_tensor(value)
    elif isinstance(value, np.ndarray):
        value.setflags(write=True)
        value[...] = 7
        if isinstance(value.base, np.ndarray):
            spoil(value.base)
    elif isinstance(value, Mapping):
        for each in value.values():
            spoil(each)
        for change in ("clear", "popitem"):
            getattr(value, change, lambda: None)()
    elif isinstance(value, Sequence):
        for each in value:
            spoil(each)
    elif hasattr(value, "nodes"):
        object.__setattr__(value.nodes[-1], "out_features", 3)
        for name in ("nodes", "shapes", "blocks"):
            object.__setattr__(value, name, ())


def spoil_tensor(tensor: torch.Tensor) -> None:
    tensor.abs_().add_(1)
    tensor.data.zero_()
    tensor.numpy()[...] = 3
    tensor.untyped_storage().fill_(9)
    tensor.requires_grad_(True)
    tensor.register_hook(lambda gradient: gradient * 0)
    tensor.grad = torch.ones_like(tensor)
    tensor.requires_grad_(False).set_(torch.zeros(1))


def vandal(candidate: Any) -> float:
    for name in sorted(MEMBERS - {"stream", "log_abs_determinant"}):
        spoil(getattr(candidate, name))
    candidate.stream("proxy/random").random(100)
    registry._REGISTRY.clear()
    registry._REGISTRY["naswot"] = made(vandal)
    return 1.0


def scores(names: list[str], *others: Proxy) -> dict[str, tuple[float, Status, str]]:
    candidate = small_candidate(ALIVE)
    proxies = [*others[:1], *[load_proxy(name) for name in names], *others[1:]]
    return {each.name: attempt(candidate, each, ALIVE)[:3] for each in proxies}


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_proxy_edits_in_place_no_other_sees(order):
    names = PROXY_NAMES[::order]
    alone = scores(names)
    first, last = Proxy("first", vandal, frozenset(NEEDS)), Proxy("last", vandal, frozenset(NEEDS))
    spoilt = scores(names, first, last)
    assert (spoilt.pop("first"), spoilt.pop("last")) == ((1.0, 0, ""), (1.0, 0, ""))
    assert spoilt == alone
    assert is_own(registry.registered("naswot"))


def test_a_proxy_from_outside_is_handed_what_the_suites_own_are():
    candidate, seen = small_candidate(ALIVE), {}

    def look(handed: Any) -> float:
        seen.update({name: digest(getattr(handed, name)) for name in MEMBERS - {"stream"}})
        seen["stream"] = digest(handed.stream("x").random(3))
        assert handed.log_abs_determinant(np.eye(3)) == 0.0
        with pytest.raises(AttributeError, match="a candidate has no '_results'"):
            _ = handed._results
        return 1.0

    assert candidate.score(made(look))[0] == 1.0
    for name in MEMBERS - {"stream", "log_abs_determinant"}:
        assert seen[name] == digest(getattr(candidate, name)), name
    assert seen["stream"] == digest(candidate.stream("x").random(3))
    undeclared = Proxy("made", lambda c: c.weights, frozenset())
    assert 'add "weights" to the needs' in attempt(candidate, undeclared, 0)[2]


def test_copies_are_made_of_what_is_asked_for_and_keep_their_layout():
    candidate = small_candidate(ALIVE)
    copies: dict[int, torch.Tensor] = {}

    def look(handed: Any) -> float:
        outputs = handed.outputs
        copies.update({number: outputs[number] for number in list(outputs)[:2]})
        return float(len(outputs))

    assert candidate.score(made(look))[0] == len(candidate.outputs)
    for number, tensor in copies.items():
        original = candidate.outputs[number]
        assert tensor.stride() == original.stride()
        assert tensor.data_ptr() != original.data_ptr()


# ---------------------------------------------------------------- the process


def leaves_modes(candidate: Any) -> float:
    torch.set_grad_enabled(False)
    torch.inference_mode().__enter__()
    torch.autocast("cpu").__enter__()
    torch.device("meta").__enter__()
    torch.set_default_device("meta")
    return 1.0


def sets_torch(candidate: Any) -> float:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    torch.backends.mkldnn.enabled = torch.backends.cudnn.enabled = False
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("medium")
    torch.set_flush_denormal(True)
    torch.manual_seed(3)
    return 1.0


def sets_python(candidate: Any) -> float:
    os.chdir("/")
    os.environ.clear()
    os.environ["OMP_NUM_THREADS"] = "3"
    sys.excepthook = sys.stdout = None  # type: ignore[assignment]
    sys.setrecursionlimit(300)
    sys.settrace(lambda *_: None)
    warnings.simplefilter("error")
    logging.disable()
    gc.disable()
    gc.set_threshold(1)
    np.seterr(all="raise")
    np.random.seed(4)  # noqa: NPY002
    random.seed(5)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.alarm(100)
    del sys.modules["json"]
    sys.modules["torch"] = None  # type: ignore[assignment]
    return 1.0


@pytest.mark.parametrize("function", [leaves_modes, sets_torch, sets_python])
def test_what_a_proxy_sets_in_the_process_does_not_last(function):
    prepare_torch(threads=1)
    before = of_the_process()
    assert outcome(function)[:2] == (1.0, Status.OK)
    assert of_the_process() == before


@pytest.mark.parametrize("function", [leaves_modes, sets_torch, sets_python])
def test_what_a_proxy_sets_is_not_in_effect_for_what_others_share(function):
    def first(candidate: Any) -> float:
        function(candidate)
        return float(sum(len(getattr(candidate, name)) for name in ("weights", "outputs")))

    def asks(candidate: Any) -> float:
        function(candidate)
        for name in sorted(MEMBERS):
            getattr(candidate, name)
        return 1.0

    alone = scores(PROXY_NAMES)
    spoilt = scores(PROXY_NAMES, Proxy("asks", asks, frozenset(NEEDS)))
    assert spoilt.pop("asks")[:2] == (1.0, Status.OK)
    assert spoilt == alone


@pytest.mark.parametrize(
    "mode", [torch.no_grad(), torch.inference_mode(), torch.enable_grad(), torch.device("cpu")]
)
def test_a_mode_around_a_proxy_stays_in_effect_while_it_asks(mode):
    def inside(candidate: Any) -> float:
        with mode:
            before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            _ = candidate.outputs, candidate.loss_gradients
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
            return sum(float(g.norm()) for g in candidate.loss_gradients.values())

    alone = scores(["grad_norm", "grasp", "snip", "naswot"])
    both = scores(["grad_norm", "grasp", "snip", "naswot"], made(inside))
    assert both.pop("made")[0] == alone["grad_norm"][0]
    assert both == alone


def test_gradients_can_be_taken_of_what_is_handed_out():
    def differentiated(candidate: Any) -> float:
        weights = [weight.requires_grad_() for weight in candidate.weights.values()]
        torch.stack([weight.square().sum() for weight in weights]).sum().backward()
        return sum(float((w.grad - 2 * w).abs().sum()) for w in weights)  # type: ignore[operator]

    assert outcome(differentiated)[:2] == (0.0, Status.OK)


def test_numbers_drawn_from_nowhere_in_particular_repeat_by_architecture():
    def drawn(candidate: Any) -> float:
        return random.random() + np.random.rand() + float(torch.rand(()))  # noqa: NPY002

    def of(arch: int, seed: int = 0) -> float:
        return attempt(small_candidate(arch, seed=seed), made(drawn), arch)[0]

    first = of(ALIVE)
    random.seed(1)
    assert of(ALIVE) == first
    assert len({of(ALIVE), of(500), of(ALIVE, seed=1)}) == 3


def test_a_proxy_cannot_take_the_place_of_another():
    naswot = load_proxy("naswot").function

    def pretends(candidate: Any) -> float:
        return 0.0

    pretends.__module__ = naswot.__module__
    with pytest.raises(TrainfreeError, match="is already defined in"):
        proxy("naswot", cite="x")(pretends)
    with registry.unchanged_registry():
        registry._REGISTRY["naswot"] = made(pretends)
        with pytest.raises(TrainfreeError, match="'naswot' of the suite was replaced by"):
            load_proxy("naswot")
    assert load_proxy("naswot").function is naswot


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
    (lambda: Mute(), Status.ERROR, "Mute: (its text cannot be had)"),
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


def test_a_user_can_interrupt_a_proxy_and_also_one_that_swallows_it():
    def interrupted(candidate: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    def swallowing(candidate: Any) -> float:
        try:
            return interrupted(candidate)
        except BaseException:  # noqa: BLE001
            return 2.0

    handler = signal.getsignal(signal.SIGINT)
    for function in (interrupted, swallowing):
        with pytest.raises(KeyboardInterrupt):
            outcome(function)
        assert signal.getsignal(signal.SIGINT) is handler


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
