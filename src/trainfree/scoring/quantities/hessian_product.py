"""gᵀ H w: the second derivative of the loss along its own gradient g and along the weights w.

A backward pass through a backward pass costs several times more memory and time than this: two
tangents (along g and along w) are carried forward through the network, and what the product of
both does at each node is weighed with the adjoint of the node's output, which the gradient's
backward pass left behind. Only convolutions, linear layers and batch normalisation have a second
derivative; ReLU units and maxima have none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.compilation import compiled
from trainfree.scoring.autodiff.backward import Gradients, largest_places, normalise_backward
from trainfree.scoring.autodiff.forward import ForwardPass, Statistics
from trainfree.scoring.cpu_engine.layers import average_map, convolve_map, shift_map
from trainfree.scoring.placement import on_cpu, read_numbers
from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Relu,
    Shift,
    Truncate,
    Zeros,
)

_Pair = tuple[Tensor | None, Tensor | None]
"""Tangents along the gradient and along the weights; None where the tangent is zero."""
_ZERO: _Pair = (None, None)
Rows = NDArray[np.floating]
"""A map as rows of channels, (B·height·width, C)."""


@torch.no_grad()
def gradient_curvature(forward: ForwardPass, gradients: Gradients) -> float:
    """Return gᵀ H w for the mean cross-entropy of the batch, over all weights, not biases.

    Parameters
    ----------
    forward
        Recorded forward pass.
    gradients
        Gradient of the mean cross-entropy, with all adjoints.
    """
    run = _Tangents(forward, gradients)
    for number in range(len(forward.network.nodes)):
        if number in gradients.output:
            run.advance(number)
    along_gradient, along_weights = run.pairs[forward.network.output]
    of_loss = _loss_curvature(forward.logits, along_gradient, along_weights)
    terms = run.terms if on_cpu(forward.logits) else _added(run.terms)
    return sum(read_numbers([*terms, *_together(run.waiting), *of_loss]), start=0.0)


def _loss_curvature(logits: Tensor, first: Tensor | None, second: Tensor | None) -> list[Tensor]:
    """Return the second derivative of the mean cross-entropy along two changes of the logits."""
    if first is None or second is None:
        return []
    probability = torch.softmax(logits, dim=1)
    mixed = (probability * first * second).sum(dim=1)
    means = (probability * first).sum(dim=1) * (probability * second).sum(dim=1)
    return [(mixed - means).mean()]


class _Tangents:
    def __init__(self, forward: ForwardPass, gradients: Gradients) -> None:
        self._forward, self._gradients = forward, gradients
        self._nodes = forward.network.nodes
        self._last_reader = {
            source: number
            for number in sorted(gradients.output)
            for source in self._nodes[number].sources
        }
        self.pairs: dict[int, _Pair] = {}
        self.terms: list[Tensor] = []
        """Second-order terms of the nodes."""
        self.waiting: list[_ChannelSums] = []
        """On a GPU, what the terms of the normalisations are made of."""

    def advance(self, number: int) -> None:
        """Compute both tangents of a node and its second-order term."""
        self.pairs[number] = self._pair(number)
        for source in self._nodes[number].sources:
            if self._last_reader.get(source) == number:
                self.pairs.pop(source, None)

    def _pair(self, number: int) -> _Pair:
        node, forward = self._nodes[number], self._forward
        match node:
            case Input() | Zeros():
                return None, None
            case Conv() | Linear():
                return self._weighted(number, node)
            case BatchNorm(source=source):
                return self._normalised(number, source)
            case Relu(source=source):
                is_open = forward.values[number]
                return self._both(
                    source, lambda x: torch.ops.aten.threshold_backward(x, is_open, 0)
                )
            case AvgPool(source=source):
                return self._both(source, lambda x: average_map(x, node))
            case MaxPool(source=source):
                places = largest_places(node, forward.values[source])
                return self._both(source, lambda x: _at(x, places))
            case Truncate(source=source):
                return self._both(
                    source,
                    lambda x: x[:, : node.channels].contiguous(memory_format=torch.channels_last),
                )
            case Shift(source=source):
                return self._both(source, shift_map)
            case Concat(sources=sources):
                return self._joined(sources, 0), self._joined(sources, 1)
            case Add(sources=sources):
                return self._sum(sources, 0), self._sum(sources, 1)
            case GlobalAvgPool(source=source):
                return self._both(source, lambda x: x.mean(dim=(2, 3)))
            case _:
                raise TypeError(f"{type(node).__name__} is not supported here")

    def _both(self, source: int, function: Callable[[Tensor], Tensor]) -> _Pair:
        first, second = self.pairs.get(source, _ZERO)
        return (
            None if first is None else function(first),
            None if second is None else function(second),
        )

    def _sum(self, sources: tuple[int, ...], place: int) -> Tensor | None:
        known = [self.pairs[source][place] for source in sources if source in self.pairs]
        total: Tensor | None = None
        for tangent in known:
            if tangent is not None:
                total = tangent if total is None else total + tangent
        return total

    def _joined(self, sources: tuple[int, ...], place: int) -> Tensor | None:
        known = [self.pairs.get(source, _ZERO)[place] for source in sources]
        present = next((tangent for tangent in known if tangent is not None), None)
        if present is None:
            return None
        images, shapes = len(present), self._forward.network.shapes
        parts = [
            present.new_zeros(images, *shapes[source]) if tangent is None else tangent
            for source, tangent in zip(sources, known, strict=True)
        ]
        return torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)

    def _weighted(self, number: int, node: Conv | Linear) -> _Pair:
        x = self._forward.values[node.source]
        weight, gradient = self._forward.parameters.weight[number], self._gradients.weight[number]
        along_gradient, along_weights = self.pairs.get(node.source, _ZERO)
        adjoint = self._gradients.output[number]

        def apply(value: Tensor, kernel: Tensor) -> Tensor:
            if isinstance(node, Conv):
                return convolve_map(value, kernel, node)
            return F.linear(value, kernel)

        first = apply(x, gradient)
        if along_gradient is not None:
            carried = apply(along_gradient, weight)
            self.terms.append(_dot(adjoint, carried))
            first += carried
        if along_weights is None:
            return first, apply(x, weight)
        self.terms.append(_dot(adjoint, apply(along_weights, gradient)))
        return first, apply(x + along_weights, weight)

    def _normalised(self, number: int, source: int) -> _Pair:
        first, second = self.pairs.get(source, _ZERO)
        forward = self._forward
        if number not in forward.statistics:
            return first, second
        if first is None or second is None:
            return self._both(source, lambda x: normalise_backward(forward, number, source, x))
        x, adjoint = forward.values[source], self._gradients.output[number]
        maps, statistics = (x, first, second, adjoint), forward.statistics[number]
        if not on_cpu(x):
            self.waiting.append(_sums_on_device(maps, statistics))
            return self._both(source, lambda x: normalise_backward(forward, number, source, x))
        sums = _channel_sums(maps, statistics)
        term = sums.second_derivative().sum()
        self.terms.append(torch.tensor(term, dtype=torch.float64))
        return sums.push_forward(x, first), sums.push_forward(x, second, of_second=True)


def _at(x: Tensor, places: Tensor) -> Tensor:
    """Return the entries of a map at places into height · width, (B, C, …) each."""
    found = x.flatten(2).gather(2, places.flatten(2)).view(places.shape)
    return found.contiguous(memory_format=torch.channels_last)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return ⟨a, b⟩, added up image by image; on a GPU those of the images, (B, 1, 1)."""
    rows, columns = (
        value.permute(0, 2, 3, 1).flatten(1) if value.dim() == 4 else value for value in (a, b)
    )
    by_image = rows[:, None, :] @ columns[:, :, None]
    return by_image.sum(dtype=torch.float64) if on_cpu(by_image) else by_image


def _added(by_image: Sequence[Tensor]) -> list[Tensor]:
    return [torch.stack(list(by_image)).sum(dtype=torch.float64)] if by_image else []


_SUMS = (
    "first",
    "second",
    "adjoint",
    "x first",
    "x second",
    "adjoint x",
    "first second",
    "adjoint first",
    "adjoint second",
)
_AT_ONCE = 2**24
"""Numbers of a map on a GPU that are multiplied with others at once."""


@dataclass(frozen=True)
class _ChannelSums:
    """Sums over images and positions of products of maps, (C,) each; x is centred.

    Arrays on the CPU and tensors on a GPU, there for several normalisations, (normalisations, C).

    With c = x − mean, σ² = mean(c²) + ε and y = c/σ, for tangents c_s, c_t without their means:
    σ_s = mean(y c_s), y_s = (c_s − y σ_s)/σ, σ_st = (mean(c_s c_t) − σ_s σ_t)/σ and
    y_st = −(c_s σ_t + c_t σ_s)/σ² − y σ_st/σ + 2 y σ_s σ_t/σ².
    """

    sums: Mapping[str, Any]
    count: int
    mean: Any
    inverse: Any

    def slope(self, tangent: str) -> Any:
        """Return σ_s, or σ_t, (C,)."""
        return self.inverse * self.sums[f"x {tangent}"] / self.count

    def second_derivative(self) -> Any:
        """Return ⟨adjoint, y_st⟩ of each channel, (C,)."""
        sums, inverse = self.sums, self.inverse
        mean_first, mean_second = sums["first"] / self.count, sums["second"] / self.count
        slope_first, slope_second = self.slope("first"), self.slope("second")
        common = sums["first second"] / self.count - mean_first * mean_second
        slope_both = (common - slope_first * slope_second) * inverse
        to_first = sums["adjoint first"] - sums["adjoint"] * mean_first
        to_second = sums["adjoint second"] - sums["adjoint"] * mean_second
        to_output = inverse * sums["adjoint x"]
        return (
            -(inverse**2) * (slope_second * to_first + slope_first * to_second)
            - inverse * slope_both * to_output
            + 2 * inverse**2 * slope_first * slope_second * to_output
        )

    def push_forward(self, x: Tensor, tangent: Tensor, of_second: bool = False) -> Tensor:
        """Return y_s for the tangent of the input, in place of it."""
        name = "second" if of_second else "first"
        along_x = -(self.inverse**2) * self.slope(name)
        shift = -self.inverse * self.sums[name] / self.count - along_x * self.mean
        by_channel = (torch.from_numpy(v).to(x)[:, None, None] for v in (self.inverse, shift))
        scale, offset = by_channel
        result = tangent.mul_(scale).add_(offset)
        return result.addcmul_(x, torch.from_numpy(along_x).to(x)[:, None, None].expand_as(x))


_Maps = tuple[Tensor, Tensor, Tensor, Tensor]
"""Input of a normalisation, its two tangents and the adjoint of its output."""


def _channel_sums(maps: _Maps, statistics: Statistics) -> _ChannelSums:
    x, first, second, adjoint = (_rows(value).numpy() for value in maps)
    mean, inverse = statistics.mean, statistics.inverse_deviation
    sums = _add_up(x, first, second, adjoint, mean.numpy())
    means, inverses = (value.to(torch.float64).numpy() for value in (mean, inverse))
    return _ChannelSums(dict(zip(_SUMS, sums, strict=True)), len(x), means, inverses)


def _sums_on_device(maps: _Maps, statistics: Statistics) -> _ChannelSums:
    """Do the same in six operations, which take longer to launch than to carry out."""
    rows, total = [_rows(value) for value in maps], None
    for start in range(0, len(rows[0]), max(1, _AT_ONCE // rows[0].shape[1])):
        x, first, second, adjoint = (
            each[start : start + max(1, _AT_ONCE // each.shape[1])] for each in rows
        )
        centred = x - statistics.mean
        left = torch.stack([first, second, adjoint, first, adjoint, adjoint])
        products = left * torch.stack([centred, centred, centred, second, first, second])
        alone = left[:3].sum(dim=1, dtype=torch.float64)
        part = torch.cat([alone, products.sum(dim=1, dtype=torch.float64)])
        total = part if total is None else total + part
    sums = dict(zip(_SUMS, () if total is None else total, strict=True))
    return _ChannelSums(sums, len(rows[0]), statistics.mean, statistics.inverse_deviation)


def _together(waiting: Sequence[_ChannelSums]) -> list[Tensor]:
    """Return ⟨adjoint, y_st⟩ of normalisations on a GPU, those of one size at once."""
    sizes: dict[tuple[int, int], list[_ChannelSums]] = defaultdict(list)
    for each in waiting:
        sizes[each.count, len(each.inverse)].append(each)
    terms = []
    for (count, _), members in sizes.items():
        sums = {name: torch.stack([each.sums[name] for each in members]) for name in _SUMS}
        inverse = torch.stack([each.inverse for each in members]).to(torch.float64)
        terms.append(_ChannelSums(sums, count, None, inverse).second_derivative().sum())
    return terms


def _rows(value: Tensor) -> Tensor:
    """Return a map as rows of channels, (B · height · width, C)."""
    return value.permute(0, 2, 3, 1).reshape(-1, value.shape[1])


@compiled(nogil=True)
def _add_up(x: Rows, first: Rows, second: Rows, adjoint: Rows, mean: Rows) -> NDArray[np.float64]:
    rows, channels = x.shape
    total = np.zeros((9, channels), np.float64)
    part = np.zeros((9, channels), x.dtype)
    for start in range(0, rows, 64):
        part[:] = 0
        for row in range(start, min(start + 64, rows)):
            for c in range(channels):
                a, b, d = first[row, c], second[row, c], adjoint[row, c]
                centred = x[row, c] - mean[c]
                part[0, c] += a
                part[1, c] += b
                part[2, c] += d
                part[3, c] += centred * a
                part[4, c] += centred * b
                part[5, c] += centred * d
                part[6, c] += a * b
                part[7, c] += d * a
                part[8, c] += d * b
        for place in range(9):
            for c in range(channels):
                total[place, c] += part[place, c]
    return total
