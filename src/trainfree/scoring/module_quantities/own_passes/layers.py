"""Handing on what each layer of a module makes, and masked passes and curves of inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from trainfree.proxies.own_passes import Kind, Layer
from trainfree.scoring.modules import operations
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.inputs import Inputs, batch_size, call
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Structure

T = TypeVar("T")


@torch.no_grad()
def over_layers(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    function: Callable[[Layer], T],
) -> list[T]:
    """Run the inputs and return ``function`` of each layer; see ``Candidate.over_layers``."""
    watched = _Layers(structure, batch_size(inputs), function)
    with conditions(normalise), watched:
        call(model, inputs)
    return watched.found


class _Layers(Observer, Generic[T]):
    """Hands on each layer's kind, output and, of a product, input."""

    def __init__(self, structure: Structure, images: int, function: Callable[[Layer], T]) -> None:
        super().__init__()
        self._structure, self._images, self._function = structure, images, function
        self._packet: Any = None
        self._read: Sequence[Any] = ()
        self.found: list[T] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = super().__torch_dispatch__(func, types, args, kwargs)
        packet = func.overloadpacket
        if not self._looks_away and (
            packet in operations.LAYERS or operations.is_activation(packet, args, kwargs or {})
        ):
            self._packet, self._read = packet, args  # of the layer that is told of next
        return made

    def layer(self, number: int, output: Tensor) -> None:
        """Hand on a layer that sees the images."""
        if number not in self._structure.layers:
            return
        layout, channels = self._structure.layers[number]
        layout.require(output, self._images)
        kind, read = _kind(self._packet), None
        if kind == "product" and layout.axis == 0:
            read = _read_by(self._packet, self._read, output)
        made = layout.channels_second(output, channels)
        with self.looking_away():
            read = None if read is None else layout.images_first(read)
            self.found.append(self._function(Layer(kind, made, read)))


def _kind(packet: Any) -> Kind:
    if packet in operations.PRODUCTS:
        return "product"
    if packet in operations.NORMALISATIONS:
        return "normalisation"
    return "pooling" if packet in operations.POOLS else "activation"


def _read_by(packet: Any, args: Sequence[Any], output: Tensor) -> Tensor | None:
    """Return what a product multiplies by its weight, where its rows are those of the output."""
    for factor, is_right in operations.factors(packet, tuple(args)):
        if not is_right and len(factor) == len(output):
            return factor
    return None
