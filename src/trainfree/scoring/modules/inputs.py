"""What a module is called with: tensors with the images of a mini-batch along their first axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

Inputs: TypeAlias = Any
"""A tensor (B, …), the only argument; a tuple or list of positional arguments; or a dictionary of
keyword arguments. Arguments may be nested themselves."""


def call(model: nn.Module, inputs: Inputs, parameters: Mapping[str, Tensor] | None = None) -> Any:
    """Return what the model makes of ``inputs``, of which it gets a copy to change as it likes.

    Parameters
    ----------
    parameters
        Parameters and buffers to use in place of the model's own, by name.
    """
    inputs = mapped(inputs, torch.clone)
    named = dict(inputs) if isinstance(inputs, Mapping) else {}
    placed = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if parameters is None:
        return model(**named) if named else model(*placed)
    with _own_tensors_after(model):
        return functional_call(model, dict(parameters), () if named else placed, named)


@contextmanager
def _own_tensors_after(model: nn.Module) -> Iterator[None]:
    """Give every module its parameters and buffers back.

    torch.func does so but for a module that stands at several places: the tensors that it puts
    back last are those that it had put in first.
    """
    kept = [(part, dict(part._parameters), dict(part._buffers)) for part in model.modules()]
    try:
        yield
    finally:
        for part, parameters, buffers in kept:
            part._parameters.update(parameters)
            part._buffers.update(buffers)


def mapped(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Return the same structure with each tensor changed; what is no tensor stays."""
    if isinstance(inputs, Tensor):
        return change(inputs)
    if isinstance(inputs, Mapping):
        return {name: mapped(part, change) for name, part in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(mapped(part, change) for part in inputs)
    return inputs


def tensors(inputs: Inputs) -> list[Tensor]:
    """Return all tensors, in order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    mapped(inputs, note)
    return found


def batch_size(inputs: Inputs) -> int:
    """Return B, the number of images."""
    return len(tensors(inputs)[0])


def part(inputs: Inputs, images: slice | list[int]) -> Inputs:
    """Return the inputs of some images."""
    return mapped(inputs, lambda tensor: tensor[images])


def is_continuous(inputs: Inputs) -> bool:
    """Whether all tensors hold real numbers, none of them tokens."""
    return all(tensor.is_floating_point() for tensor in tensors(inputs))


def ones(inputs: Inputs, scale: float = 1.0) -> Inputs:
    """Return an image of ones times ``scale``, float64."""
    return mapped(inputs, lambda x: torch.full_like(x[:1], scale, dtype=torch.float64))
