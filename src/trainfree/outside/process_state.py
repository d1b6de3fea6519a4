"""What code of others could change for everybody in the process, remembered and put back.

A proxy that sets torch's default type, takes over the signals or leaves the working folder changes
what is computed after it. What is remembered here can be asked for and set again in microseconds;
a replaced function of a module, a closed file or a thread that goes on are out of reach.
Nothing is imported for this: libraries that a process has not loaded have no state in it.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from trainfree.errors import TrainfreeError

_SYS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


class StateLostError(TrainfreeError):
    """The process is not what it was, so that what it computes next cannot be relied upon."""


_CONTRADICTORY = object()
_SMALLEST = 5e-324
Setting = tuple[Any, Callable[[Any], object]]
"""A value and what sets it again."""


class ArithmeticState:
    """How numbers are computed at one moment: types, threads, exactness, what is an error."""

    def __init__(self) -> None:
        self._settings = [*_of_numpy(), *_of_torch()]

    def put_back(self) -> None:
        """Compute as then again."""
        _put_back(self._settings)

    @contextmanager
    def in_effect(self) -> Iterator[None]:
        """Compute as then inside the ``with`` block, and as now again behind it."""
        theirs = ArithmeticState()
        try:
            self.put_back()
            with _usual_modes(hide=True):
                yield
        finally:
            theirs.put_back()


@contextmanager
def unchanged() -> Iterator[None]:
    """Undo behind the ``with`` block what was changed in it.

    Raises
    ------
    StateLostError
        When something cannot be undone.
    """
    before = [*_of_numpy(), *_of_torch(), *_of_python(), *_of_generators()]
    try:
        with _usual_modes():
            yield
    finally:
        _put_back(before)


def seed_global_generators(seed: int) -> None:
    """Seed the generators that code draws from when it does not say where from."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed % 2**63)


def _of_python() -> Iterator[Setting]:
    yield _folder(), _enter
    yield dict(os.environ), _put_environment
    yield dict(sys.modules), _put_modules
    yield list(warnings.filters), _put_filters
    yield [getattr(sys, name) for name in _SYS], _put_streams
    yield _kept(sys.getrecursionlimit, sys.setrecursionlimit)
    yield _kept(sys.gettrace, sys.settrace)
    yield _kept(sys.getprofile, sys.setprofile)
    yield gc.isenabled(), lambda on: gc.enable() if on else gc.disable()
    yield _kept(gc.get_threshold, lambda counts: gc.set_threshold(*counts))
    yield _kept(lambda: logging.root.manager.disable, logging.disable)
    if threading.current_thread() is threading.main_thread():
        yield signal.getitimer(signal.ITIMER_REAL)[0], _stop_alarm
        yield [signal.getsignal(number) for number in _SIGNALS], _put_handlers


def _of_generators() -> Iterator[Setting]:
    yield random.getstate(), random.setstate
    if numpy := sys.modules.get("numpy"):
        yield numpy.random.get_state(), numpy.random.set_state
    if torch := _torch():
        yield torch.get_rng_state(), torch.set_rng_state
        if torch.cuda.is_initialized():
            yield torch.cuda.get_rng_state_all(), torch.cuda.set_rng_state_all


def _of_numpy() -> Iterator[Setting]:
    if numpy := sys.modules.get("numpy"):
        yield numpy.geterr(), lambda kinds: numpy.seterr(**kinds)


def _of_torch() -> Iterator[Setting]:
    torch = _torch()
    if torch is None:
        return
    backends = torch.backends
    yield _kept(torch.get_default_dtype, torch.set_default_dtype)
    yield _kept(torch.get_num_threads, torch.set_num_threads)
    yield _kept(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)
    yield _kept(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode)
    cudnn = backends.cudnn
    for place, name in (
        (torch.utils.deterministic, "fill_uninitialized_memory"),
        *((cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")),
        *((backends.cuda.matmul, "allow_tf32"), (backends.mkldnn, "enabled")),
    ):
        yield _kept_attribute(place, name)
    for place in (
        *(backends, backends.mkldnn, backends.cudnn, backends.cuda.matmul),
        *(getattr(backends.mkldnn, kind, None) for kind in ("matmul", "conv", "rnn")),
        *(getattr(backends.cudnn, kind, None) for kind in ("conv", "rnn")),
    ):
        if hasattr(place, "fp32_precision"):  # after the older switches, which set these, too
            yield _kept_attribute(place, "fp32_precision")
    for device in ("cpu", "cuda"):
        yield _kept(
            partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device)
        )
    yield _kept(_flushes_denormal, torch.set_flush_denormal)


def _flushes_denormal() -> bool:
    """Whether the processor takes the smallest numbers for zero, which torch cannot be asked."""
    return _SMALLEST * 1.0 == 0.0


def _put_back(settings: list[Setting]) -> None:
    """Put back all that can be; nothing may be computed where something could not."""
    lost = []
    for value, put in settings:
        try:
            put(value)
        except Exception as error:  # noqa: BLE001  (the rest is to be put back all the same)
            lost.append(f"{type(error).__name__}: {error}")
    if lost:
        raise StateLostError(
            "user code has changed the process in a way that cannot be undone "
            f"({'; '.join(lost)}); leave it out and run again"
        )


def _torch() -> Any:
    """Return torch where it is loaded, wholly."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "is_inference_mode_enabled") else None


@contextmanager
def _usual_modes(hide: bool = False) -> Iterator[None]:
    """Be outside any inference mode and with gradients on, as the engine is by itself.

    On leaving, torch puts these modes back, however many were entered inside. Function modes, of
    which a default device is one, are left behind the block if they were entered in it; those
    around it are put aside if they are to be hidden, and the engine may enter its own.
    """
    torch = _torch()
    if torch is None:
        yield
        return
    stack = torch._C
    around = []
    while hide and stack._len_torch_function_stack():
        around.append(stack._pop_torch_function_stack())
    depth = stack._len_torch_function_stack()
    try:
        with torch.inference_mode(mode=False):
            yield
    finally:
        if stack._len_torch_function_stack() > depth:
            torch.set_default_device(None)
        while stack._len_torch_function_stack() > depth:
            stack._pop_torch_function_stack()
        for mode in reversed(around):
            stack._push_on_torch_function_stack(mode)


def _kept(get: Callable[[], Any], put: Callable[[Any], object]) -> Setting:
    """Return a value with what sets it again if it is another by then; setting may be costly."""

    def asked() -> Any:
        try:
            return get()
        except RuntimeError:  # torch, where its old and new switches say different things
            return _CONTRADICTORY

    def again(value: Any) -> None:
        if value is not _CONTRADICTORY and asked() != value:
            put(value)

    return asked(), again


def _kept_attribute(place: Any, name: str) -> Setting:
    return _kept(partial(getattr, place, name), partial(setattr, place, name))


def _folder() -> str:
    """Return the working folder, "" where it has been removed."""
    try:
        return os.getcwd()  # noqa: PTH109  (a path object costs more than the call)
    except FileNotFoundError:
        return ""


def _enter(folder: str) -> None:
    if folder:
        os.chdir(folder)


def _put_environment(variables: dict[str, str]) -> None:
    if os.environ != variables:
        for name in set(os.environ) - set(variables):
            del os.environ[name]
        os.environ.update(variables)


def _put_modules(modules: dict[str, Any]) -> None:
    """Bring back modules that were removed or replaced; what was imported since may stay."""
    if sys.modules == modules:  # by far the most frequent case, and as fast as can be
        return
    for name, module in modules.items():
        if sys.modules.get(name) is not module:
            sys.modules[name] = module


def _put_filters(filters: list[Any]) -> None:
    if list(warnings.filters) != filters:
        warnings.filters[:] = filters  # type: ignore[index]


def _put_streams(values: list[Any]) -> None:
    for name, value in zip(_SYS, values, strict=True):
        setattr(sys, name, value)


def _stop_alarm(seconds: float) -> None:
    if not seconds:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _put_handlers(handlers: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, handlers, strict=True):
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
