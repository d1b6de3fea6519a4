"""What is made of which of PyTorch's operations (ATen), the level at which modules are watched.

Everything arrives here, whether a module, a function or a method asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten

ACTIVATIONS = frozenset(
    {
        *(aten.relu, aten.relu_, aten.hardtanh, aten.hardtanh_, aten.threshold, aten.threshold_),
        *(aten.leaky_relu, aten.leaky_relu_, aten._prelu_kernel),
        *(aten.rrelu_with_noise, aten.rrelu_with_noise_),
        *(aten.elu, aten.elu_, aten.celu, aten.celu_),
        *(aten.gelu, aten.gelu_, aten.silu, aten.silu_, aten.mish, aten.mish_),
        *(aten.hardswish, aten.hardswish_, aten.hardsigmoid, aten.hardsigmoid_),
        *(aten.sigmoid, aten.sigmoid_, aten.tanh, aten.tanh_),
        *(aten.softplus, aten.log_sigmoid_forward, aten.glu),
    }
)
_CLAMPS = frozenset({aten.clamp, aten.clamp_, aten.clamp_min, aten.clamp_min_})
_CONVOLUTIONS = frozenset({aten.convolution})
_MATRIX_FIRST = frozenset({aten.mm, aten.bmm, aten.mv})
_MATRIX_SECOND = frozenset({aten.addmm, aten.addmv, aten.baddbmm})
_LOOKUPS = frozenset({aten.embedding, aten._embedding_bag})
PRODUCTS = _CONVOLUTIONS | _MATRIX_FIRST | _MATRIX_SECOND | _LOOKUPS | {aten._trilinear}
NORMALISATIONS = frozenset(
    {aten.native_batch_norm, aten.native_layer_norm, aten.native_group_norm, aten.rms_norm}
)
_STRIDED_POOLS = frozenset(
    {
        *(aten.avg_pool2d, aten.avg_pool3d),
        *(aten.max_pool2d_with_indices, aten.max_pool3d_with_indices),
        aten.max_pool2d,
    }
)
POOLS = _STRIDED_POOLS | {aten.adaptive_max_pool2d}
LAYERS = PRODUCTS | NORMALISATIONS | POOLS
"""Layers beside activations."""
_ADAPTIVE_POOLS = frozenset(
    {
        *(aten._adaptive_avg_pool2d, aten._adaptive_avg_pool3d, aten.adaptive_avg_pool2d),
        *(aten.adaptive_max_pool2d, aten.adaptive_max_pool3d),
    }
)
_MEANS = frozenset({aten.mean, aten.amax})
JOINS = frozenset({aten.add, aten.add_, aten.cat})
MAKES_ANEW = frozenset(
    {
        *(aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like),
        *(aten.rand_like, aten.randn_like, aten.new_zeros, aten.new_ones),
        *(aten.new_empty, aten.new_full, aten.new_empty_strided),
    }
)
"""Operations that read a tensor's shape and not its values."""


def tensors_in(*values: Any) -> Iterator[Tensor]:
    """Yield the tensors among an operation's arguments or results, those in lists, too."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(*value)


def is_activation(packet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation is an activation; a clamp at zero is a ReLU."""
    if packet in _CLAMPS:
        least = args[1] if len(args) > 1 else kwargs.get("min")
        return isinstance(least, int | float) and least == 0
    return packet in ACTIVATIONS


def factors(packet: Any, args: tuple[Any, ...]) -> list[tuple[Tensor, bool]]:
    """Return the tensors which a product multiplies, and whether each is the usual weight.

    The usual weight is a convolution's second argument, the right matrix and the table.
    """
    if packet in _LOOKUPS:
        return [(args[0], True)]
    if packet is aten._trilinear:
        return [(args[0], False), (args[1], True), (args[2], False)]
    first = 1 if packet in _MATRIX_SECOND else 0
    return [(args[first], False), (args[first + 1], True)]


def bias_of(packet: Any, args: tuple[Any, ...]) -> Tensor | None:
    """Return what a product adds to its channels, if anything."""
    if packet in _CONVOLUTIONS:
        bias: Tensor | None = args[2]
        return bias
    return args[0] if packet in _MATRIX_SECOND else None


def channel_axis(packet: Any, output: Tensor, is_right: bool) -> int:
    """Return the axis along which the weight's outputs lie; ``is_right`` as in :func:`factors`."""
    if packet in _CONVOLUTIONS:
        return 1
    return output.dim() - 1 if is_right else max(output.dim() - 2, 0)


def norm_channel_axis(packet: Any, output: Tensor) -> int:
    """Return the axis of the channels of a normalisation's output."""
    if packet in (aten.native_batch_norm, aten.native_group_norm):
        return 1
    return output.dim() - 1


def has_stride(packet: Any, args: tuple[Any, ...]) -> bool:
    """Whether a convolution or pooling steps over positions."""
    if packet in _CONVOLUTIONS:
        return not args[6] and any(step > 1 for step in args[3])
    if packet in _STRIDED_POOLS:
        stride = args[2] if len(args) > 2 and args[2] else args[1]
        return any(step > 1 for step in stride)
    return False


def is_global_pool(packet: Any, args: tuple[Any, ...], output: Any) -> bool:
    """Whether an operation makes one value, or a small fixed map, of each channel's positions."""
    if packet in _ADAPTIVE_POOLS:
        return True
    if packet in _STRIDED_POOLS:
        return tuple(args[1]) == tuple(args[0].shape[2:])  # one window, the whole map
    if packet not in _MEANS or not isinstance(output, Tensor) or len(args) < 2:
        return False
    source, axes = args[0], args[1]
    if not isinstance(axes, list | tuple):
        return False
    pooled = {axis % source.dim() for axis in axes}
    rest = set(range(source.dim())) - pooled
    return source.dim() >= 3 and len(rest) == 2 and 0 in rest
