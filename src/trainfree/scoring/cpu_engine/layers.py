"""Windows over maps, there and back: the engine's own for 3 × 3 of stride one on the CPU.

Its convolutions take half of torch's time, its averages a tenth; anything else is torch's, and so
is all that a gradient is asked of: compiled code leaves no trace for automatic differentiation.
Maps are (B, C, height, width) with channels last in memory.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.convolution import can_tile, convolve_tiled
from trainfree.scoring.cpu_engine.fused import average
from trainfree.scoring.placement import on_cpu
from trainfree.spaces.network import AvgPool, Conv


def convolve_map(x: Tensor, weight: Tensor, node: Conv) -> Tensor:
    """Return the convolution of a map, (B, C, …) → (B, out, …)."""
    if _is_own(x, weight, node):
        return _convolved(x, weight)
    return F.conv2d(x, weight, stride=node.stride, padding=node.padding)


def adjoint_below(adjoint: Tensor, weight: Tensor, node: Conv, shape: tuple[int, ...]) -> Tensor:
    """Pass an adjoint back through a convolution, (B, out, …) → (B, *shape).

    With stride one that is a convolution with the windows turned round.
    """
    if on_cpu(adjoint):
        turned = weight.flip(2, 3).transpose(0, 1)
        if _is_own(adjoint, turned, node):
            return _convolved(adjoint, turned)
    return _torch_backward(adjoint, empty_map(adjoint, shape), weight, node, True, False)[0]


def both_below(
    adjoint: Tensor, x: Tensor, weight: Tensor, node: Conv, to_input: bool
) -> tuple[Tensor, Tensor]:
    """Return what :func:`adjoint_below` does and the gradient of a convolution's weights.

    The first is no map without ``to_input``; the second is (out, C, kernel, kernel).
    """
    if on_cpu(adjoint):
        below = adjoint_below(adjoint, weight, node, tuple(x.shape[1:])) if to_input else adjoint
        return below, _torch_backward(adjoint, x, weight, node, False, True)[1]
    below, gradient, _ = _torch_backward(adjoint, x, weight, node, to_input, True)
    return below, gradient


def average_map(x: Tensor, node: AvgPool) -> Tensor:
    """Return the means over windows of a map; padding is not averaged over."""
    if _is_own_average(x, node):
        return channels_first(average(channels_last(x), node.kernel, node.stride, node.padding))
    return F.avg_pool2d(x, node.kernel, node.stride, node.padding, count_include_pad=False)


def average_below(adjoint: Tensor, node: AvgPool, shape: tuple[int, ...]) -> Tensor:
    """Pass an adjoint back through the means over windows, (B, C, …) → (B, *shape).

    Where every pixel has its neighbourhood the sums that this needs are means times their counts.
    """
    if _is_own_average(adjoint, node):
        counts = _neighbours(adjoint)
        return average_map(adjoint / counts, node) * counts
    below: Tensor = torch.ops.aten.avg_pool2d_backward(
        adjoint,
        empty_map(adjoint, shape),
        [node.kernel] * 2,
        [node.stride] * 2,
        [node.padding] * 2,
        False,
        False,
        None,
    )
    return below


def shift_map(x: Tensor) -> Tensor:
    """Return a map moved by one pixel up and to the left, zeros behind it, (B, C, …) alike."""
    return _packed(F.pad(x, (-1, 1, -1, 1)))


def shift_below(adjoint: Tensor) -> Tensor:
    """Pass an adjoint back through :func:`shift_map`: down and to the right, zeros before it."""
    return _packed(F.pad(adjoint, (1, -1, 1, -1)))


def _packed(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _is_own_average(x: Tensor, node: AvgPool) -> bool:
    geometry = (node.kernel, node.stride, node.padding)
    whole = geometry == (3, 1, 1) and min(x.shape[2:]) > 1
    return on_cpu(x) and whole and not _is_traced(x)


def _neighbours(x: Tensor) -> Tensor:
    """Return how many pixels each pixel's 3 × 3 window has inside the map, (height, width)."""
    rows, columns = (torch.full((side,), 3.0, dtype=x.dtype) for side in x.shape[2:])
    for sides in (rows, columns):
        sides[[0, -1]] = 2.0
    return rows[:, None] * columns


def channels_last(x: Tensor) -> NDArray[Any]:
    """See a map as an array, (B, height, width, C); copies only what lies otherwise in memory."""
    images: NDArray[Any] = (
        x.detach().contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
    )
    return images


def channels_first(x: NDArray[Any]) -> Tensor:
    """See an array of :func:`channels_last` as a map, (B, C, height, width)."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def empty_map(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an uninitialised map, (B, *shape), to tell an operation its shape and layout."""
    return torch.empty(
        (len(like), *shape),
        dtype=like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


def _is_own(x: Tensor, weight: Tensor, node: Conv) -> bool:
    geometry = (node.kernel, node.stride, node.padding)
    own = on_cpu(x) and can_tile(tuple(x.shape), weight.shape[0], geometry)
    return own and not _is_traced(x, weight)


def _is_traced(*operands: Tensor) -> bool:
    """Whether automatic differentiation has to see what is made of these."""
    return torch.is_grad_enabled() and any(operand.requires_grad for operand in operands)


def _convolved(x: Tensor, weight: Tensor) -> Tensor:
    return channels_first(convolve_tiled(channels_last(x), weight.detach().numpy()))


def _torch_backward(
    adjoint: Tensor, x: Tensor, weight: Tensor, node: Conv, to_input: bool, to_weight: bool
) -> tuple[Tensor, ...]:
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        adjoint,
        x,
        weight,
        None,
        [node.stride] * 2,
        [node.padding] * 2,
        [1, 1],
        False,
        [0, 0],
        1,
        [to_input, to_weight, False],
    )
    return found
