"""Where tensors lie, and how numbers cross between the CPU and a GPU: seldom, in one piece.

A GPU works behind a queue. Reading one number from it waits until the queue is empty, and each copy
has a price of its own, so what is read or sent is collected first. On the CPU nothing is copied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STACKED = 2**20
"""Numbers of a layer's tensor that is put together with others of its shape, at most."""


def on_cpu(x: Tensor) -> bool:
    """Whether a tensor lies where compiled code can read it and a number costs no wait."""
    return x.device.type == "cpu"


def read_numbers(tensors: Iterable[Tensor]) -> list[float]:
    """Return tensors of one number each as numbers, those of a GPU in one copy."""
    found = list(tensors)
    if not found or on_cpu(found[0]):
        return [float(number) for number in found]
    together = torch.stack([number.detach().reshape(()) for number in found])
    numbers: list[float] = together.to(torch.float64).cpu().tolist()
    return numbers


def numbers_by_layer(
    function: Callable[..., Tensor], *columns: Mapping[Any, Tensor]
) -> list[float]:
    """Return ``function`` of the tensors of each layer as numbers; see ``Candidate.by_layer``."""
    keys = list(columns[0])
    if not keys or on_cpu(columns[0][keys[0]]):
        return [float(function(*(column[key] for column in columns))) for key in keys]
    rows = [tuple(column[key].detach() for column in columns) for key in keys]
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        size = max(tensor.numel() for tensor in row)
        alone = place if size > _STACKED else None  # there is enough to do in one of them
        groups[alone, *((tensor.shape, tensor.dtype) for tensor in row)].append(place)
    found = [
        torch.func.vmap(function)(*map(torch.stack, zip(*(rows[p] for p in places), strict=True)))
        if len(places) > 1
        else function(*rows[places[0]]).reshape(1)
        for places in groups.values()
    ]
    (numbers,) = to_cpu([torch.cat(found)])
    by_place = zip((p for places in groups.values() for p in places), numbers.tolist(), strict=True)
    return [number for _, number in sorted(by_place)]


def at_once(function: Callable[[Tensor], Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return what a function of single numbers makes of tensors; on a GPU of all together."""
    if not tensors or on_cpu(tensors[0]):
        return [function(tensor) for tensor in tensors]
    rows = [tensor.permute(_places(tensor)) for tensor in tensors]
    made = split_as(
        function(torch.cat([each.reshape(-1) for each in rows])), [r.shape for r in rows]
    )
    return [each.permute(_back(tensor)) for each, tensor in zip(made, tensors, strict=True)]


def _places(tensor: Tensor) -> tuple[int, ...]:
    """Return the order of the dimensions in which a tensor lies in memory: channels last."""
    return (0, 2, 3, 1) if tensor.dim() == 4 else tuple(range(tensor.dim()))


def _back(tensor: Tensor) -> tuple[int, ...]:
    return (0, 3, 1, 2) if tensor.dim() == 4 else tuple(range(tensor.dim()))


def channels_last(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors, those with four dimensions with channels last in memory.

    On a GPU all of one shape are rearranged together.
    """
    if not tensors or on_cpu(tensors[0]):
        return [_channels_last(tensor) for tensor in tensors]
    found = list(tensors)
    shapes: dict[torch.Size, list[int]] = defaultdict(list)
    for place, tensor in enumerate(tensors):
        if tensor.dim() == 4:
            shapes[tensor.shape].append(place)
    for places in shapes.values():
        stacked = torch.stack([tensors[place] for place in places])
        last = stacked.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
        for place, tensor in zip(places, last.unbind(), strict=True):
            found[place] = tensor
    return found


def _channels_last(tensor: Tensor) -> Tensor:
    last = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return tensor.contiguous(memory_format=last)


def to_cpu(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors of one type on the CPU, those of a GPU in one copy."""
    if not tensors or on_cpu(tensors[0]):
        return list(tensors)
    together = torch.cat([tensor.flatten() for tensor in tensors]).cpu()
    return split_as(together, [tuple(tensor.shape) for tensor in tensors])


def to_device(arrays: Sequence[NDArray[Any]], like: Tensor) -> list[Tensor]:
    """Return arrays of one type where ``like`` lies and of its type; to a GPU in one copy."""
    if not arrays or on_cpu(like):
        return [torch.from_numpy(array).to(like) for array in arrays]
    together = torch.empty(
        sum(array.size for array in arrays),
        dtype=torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype,
        pin_memory=like.device.type == "cuda",
    )
    np.concatenate([array.reshape(-1) for array in arrays], out=together.numpy())
    sent = together.to(like.device, non_blocking=True).to(like.dtype)
    return split_as(sent, [array.shape for array in arrays])


def split_as(together: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """See a vector as tensors that lie one behind the other."""
    parts = torch.split(together, [prod(shape) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
