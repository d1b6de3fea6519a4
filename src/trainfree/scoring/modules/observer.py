"""Watching a pass of a module: activations, products, layers and the ends of blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainfree.scoring.modules import operations
from trainfree.scoring.modules.dataflow import Label
from trainfree.scoring.modules.structure import Structure


class Observer(TorchDispatchMode):
    """Calls a method for each event of a pass; numbers are those of the structure.

    What a method is told of an operation's output comes at the next operation, when autograd knows
    where the output came from and before anything can change it in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self._numbers = {kind: count() for kind in ("product", "activation", "layer")}
        self._labels: Counter[Any] = Counter()
        self._waiting: list[tuple[Any, int | Label, Tensor]] = []
        self._looks_away = False

    def before_activation(self, number: int, x: Tensor) -> None:
        """Receive an activation's input, before anything works on it in place."""

    def activated(self, number: int, output: Tensor) -> None:
        """Receive an activation's output."""

    def multiplied(self, number: int, output: Tensor) -> None:
        """Receive a product."""

    def layer(self, number: int, output: Tensor) -> None:
        """Receive the output of a layer."""

    def before_operation(self, label: Label, args: tuple[Any, ...]) -> None:
        """Receive the arguments of any operation."""

    def made(self, label: Label, output: Tensor) -> None:
        """Receive the output of any operation."""

    def before_change(self, x: Tensor) -> None:
        """Receive a tensor that an operation is about to change in place."""

    def tell(self) -> None:
        """Tell of outputs that have not been told of yet."""
        waiting, self._waiting = self._waiting, []
        for method, number, output in waiting:
            method(number, output)

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Do not watch what is done within the ``with`` block."""
        self._looks_away = True
        try:
            yield
        finally:
            self._looks_away = False

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if error[0] is None:
            self.tell()
        self._waiting = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        # Detaching is autograd's own, in the middle of an operation.
        if self._looks_away or packet is operations.aten.detach:
            return func(*args, **kwargs)
        self.tell()
        if func._schema.is_mutable:
            for x in _changed(func, args):
                self.before_change(x)
        is_activation = operations.is_activation(packet, args, kwargs)
        number = next(self._numbers["activation"]) if is_activation else -1
        if is_activation:
            self.before_activation(number, args[0])
        label = None
        if packet not in operations.MAKES_ANEW:
            label = (func, self._labels[func])
            self._labels[func] += 1
            self.before_operation(label, args)
        made = func(*args, **kwargs)
        output = next(operations.tensors_in(made), None)
        if output is not None:
            self._note(packet, label, number, output)
        return made

    def _note(self, packet: Any, label: Label | None, number: int, output: Tensor) -> None:
        if label is not None:
            self._waiting.append((self.made, label, output))
        if number >= 0:
            self._waiting.append((self.activated, number, output))
        if packet in operations.PRODUCTS:
            self._waiting.append((self.multiplied, next(self._numbers["product"]), output))
        if number >= 0 or packet in operations.LAYERS:
            self._waiting.append((self.layer, next(self._numbers["layer"]), output))


def _changed(func: Any, args: tuple[Any, ...]) -> Iterator[Tensor]:
    for argument, x in zip(func._schema.arguments, args, strict=False):
        info = argument.alias_info
        if info is not None and info.is_write and isinstance(x, Tensor):
            yield x


class Ends(Observer):
    """Receives the values at the ends of stem and blocks; ``reached`` is called in their order."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self._order = {end: number for number, end in enumerate(structure.ends)}
        self._seen: set[int] = set()

    def reached(self, number: int, value: Tensor) -> None:
        """Receive the value at an end."""

    def passed_on(self, value: Tensor) -> Tensor:
        """Return what goes on in place of the value of a submodule."""
        return value

    def made(self, label: Label, output: Tensor) -> None:
        """Tell ends that lie at an operation."""
        if label in self._order:
            self.reached(self._order[label], output)

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """Watch a pass of ``model`` within the ``with`` block."""
        with ExitStack() as hooks:
            for end, number in self._order.items():
                if isinstance(end, str):
                    hooks.callback(self._attach(model.get_submodule(end), number).remove)
            with self:
                yield

    def _attach(self, module: nn.Module, number: int) -> torch.utils.hooks.RemovableHandle:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            if number in self._seen:
                return output
            self._seen.add(number)
            with self.looking_away():
                if isinstance(output, Tensor):
                    output = self.passed_on(output)
                self.reached(number, output if isinstance(output, Tensor) else output[0])
            return output

        return module.register_forward_hook(hook)
