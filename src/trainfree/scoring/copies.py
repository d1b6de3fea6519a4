"""What a proxy from outside the suite is handed: copies, so that edits in place stay its own.

Published code edits weights and gradients in place (Synflow takes ``weight.abs_()``). The suite's
own proxies share results and are known to leave them as they are; others get a copy of what they
ask for, made when they ask, one map or matrix at a time: all outputs of a network at once may be
gigabytes. The seconds of copying are those of the proxy that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
from torch import Tensor

from trainfree.errors import TrainfreeError
from trainfree.outside.process_state import ArithmeticState
from trainfree.proxies import is_own
from trainfree.proxies.loss_gradients import LossGradients
from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Candidate, Key, Proxy
from trainfree.spaces.network import Network

MEMBERS = frozenset(name for name in dir(Candidate) if not name.startswith("_"))
"""What a candidate has for proxies."""
_METHODS = ("stream", "arrays", "by_layer", "log_abs_determinant")


@contextmanager
def handed_out(candidate: Candidate, proxy: Proxy) -> Iterator[Candidate]:
    """Give a proxy a candidate for one call: one of the suite the very one, others another.

    The other has what :class:`~trainfree.proxies.registry.Candidate` says and nothing else. What a
    proxy has changed about the arithmetic of the process (a default type, gradients switched off)
    is not in effect while the engine computes what it asks for, since others will see that, too.
    Behind the ``with`` block nothing can be asked for, so that a proxy that keeps what it was
    handed does not keep the maps of all architectures in memory.
    """
    if is_own(proxy):
        yield candidate
        return
    usual = ArithmeticState()
    open_to = [candidate]
    shared: dict[str, object] = {}
    lent: list[_Copies] = []

    def of_the_engine(name: str) -> Any:
        if not open_to:
            raise TrainfreeError("the call for which the candidate was handed out is over")
        return getattr(open_to[0], name)

    def gradients() -> Mapping[Key, Tensor]:
        if "loss_gradients" not in shared:
            with usual.in_effect():
                shared["loss_gradients"] = dict(of_the_engine("loss_gradients"))
        return cast(Mapping[Key, Tensor], _copied(shared["loss_gradients"], lent))

    def gradients_of(loss: Callable[[Tensor], Tensor]) -> Mapping[Key, Tensor]:
        theirs = ArithmeticState()

        def as_they_compute(logits: Tensor) -> Tensor:
            with theirs.in_effect():
                return loss(logits)

        with usual.in_effect():
            found: Mapping[Key, Tensor] = of_the_engine("loss_gradients")(as_they_compute)
        return found

    def over_layers(function: Callable[[Layer], object]) -> object:
        theirs = ArithmeticState()

        def as_they_compute(layer: Layer) -> object:
            with theirs.in_effect():
                return function(layer.copy())

        with usual.in_effect():
            return of_the_engine("over_layers")(as_they_compute)

    def ask(name: str) -> object:
        if name == "over_layers":
            of_the_engine(name)
            return over_layers
        if name in _METHODS:
            of_the_engine(name)
            return lambda *given: of_the_engine(name)(*given)  # a bound one leads there, too
        if name == "loss_gradients":
            of_the_engine(name)
            return LossGradients(gradients, gradients_of)
        if name == "module":
            with usual.in_effect():
                return of_the_engine(name)  # a new one each time
        if name not in shared:
            with usual.in_effect():
                shared[name] = of_the_engine(name)
        return _inputs(shared[name]) if name == "images" else _copied(shared[name], lent)

    try:
        yield cast(Candidate, _HandedOut(ask))
    finally:
        open_to.clear()
        shared.clear()
        for copies in lent:
            copies.forget()


class _HandedOut:
    """A candidate for proxies from outside."""

    __slots__ = ("__ask",)

    def __init__(self, ask: Callable[[str], object]) -> None:
        self.__ask = ask

    def __getattr__(self, name: str) -> object:
        if name not in MEMBERS:
            raise AttributeError(
                f"a candidate has no {name!r}; "
                "Candidate in trainfree/proxies/registry.py lists what it has"
            )
        return self.__ask(name)


class _Copies(Mapping[Key, Tensor]):
    """Tensors by key, a new copy each time one is asked for."""

    __slots__ = ("__shared",)

    def __init__(self, shared: Mapping[Key, Tensor]) -> None:
        self.__shared = shared

    def __getitem__(self, key: Key) -> Tensor:
        copy: Tensor = self.__shared[key].detach().clone()
        return copy

    def __iter__(self) -> Iterator[Key]:
        return iter(self.__shared)

    def __len__(self) -> int:
        return len(self.__shared)

    def forget(self) -> None:
        """Let go of the tensors."""
        self.__shared = {}


def _copied(value: object, lent: list[_Copies]) -> object:
    """Return what may be edited in place of ``value``; numbers are themselves."""
    if isinstance(value, Mapping):
        lent.append(_Copies(value))
        return lent[-1]
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Network):
        return Network(tuple(map(replace, value.nodes)), value.shapes, value.blocks)
    if isinstance(value, Sequence):
        return tuple(_copied(each, lent) for each in value)
    return value


def _inputs(images: Any) -> Any:
    """Return copies of a mini-batch in the containers in which it was given."""
    if isinstance(images, Tensor):
        return images.detach().clone()
    if isinstance(images, Mapping):
        return {name: _inputs(each) for name, each in images.items()}
    parts = [_inputs(each) for each in images]
    return parts if isinstance(images, list) else tuple(parts)
