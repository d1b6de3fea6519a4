"""Convolutions of maps, there and back: the engine's own where it needs fewer products.

That is for 3 × 3 windows of stride one on the CPU, half of the time or less of torch's; anything
else is torch's. Maps are (B, C, height, width) with channels last in memory.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.convolution import can_tile, convolve_tiled
from trainfree.spaces.network import Conv


def convolve_map(x: Tensor, weight: Tensor, node: Conv) -> Tensor:
    """Return the convolution of a map, (B, C, …) → (B, out, …)."""
    if _is_own(x, weight, node):
        return _convolved(x, weight)
    return F.conv2d(x, weight, stride=node.stride, padding=node.padding)


def adjoint_below(adjoint: Tensor, weight: Tensor, node: Conv, shape: tuple[int, ...]) -> Tensor:
    """Pass an adjoint back through a convolution, (B, out, …) → (B, *shape).

    With stride one that is a convolution with the windows turned round.
    """
    turned = weight.flip(2, 3).transpose(0, 1)
    if _is_own(adjoint, turned, node):
        return _convolved(adjoint, turned)
    return _torch_backward(adjoint, empty_map(adjoint, shape), weight, node, "input")


def weight_gradient(adjoint: Tensor, x: Tensor, weight: Tensor, node: Conv) -> Tensor:
    """Return the gradient of a convolution's weights, (out, C, kernel, kernel)."""
    return _torch_backward(adjoint, x, weight, node, "weight")


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
    return x.device.type == "cpu" and can_tile(tuple(x.shape), weight.shape[0], geometry)


def _convolved(x: Tensor, weight: Tensor) -> Tensor:
    images = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
    return torch.from_numpy(convolve_tiled(images, weight.numpy())).permute(0, 3, 1, 2)


def _torch_backward(adjoint: Tensor, x: Tensor, weight: Tensor, node: Conv, wanted: str) -> Tensor:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
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
        [wanted == "input", wanted == "weight", False],
    )
    return found[0] if wanted == "input" else found[1]
