"""Going back through a recorded forward pass.

``backward`` is the gradient of train mode: the images of a batch act on each other through the
statistics of batch normalisation. ``backward_per_image`` holds these statistics fixed, so that each
image has a gradient of its own, and carries several cotangents at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, ForwardPass
from trainfree.scoring.cpu_engine.layers import (
    adjoint_below,
    average_below,
    both_below,
    empty_map,
    shift_below,
)
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

Wanted = Literal["weights", "input"]


@dataclass(frozen=True)
class Gradients:
    """Gradients of a scalar.

    Parameters
    ----------
    weight
        With respect to the weights, by node number; nodes that do not reach the scalar lack.
    output
        With respect to the outputs of nodes (adjoints), by node number, likewise.
    """

    weight: Mapping[int, Tensor]
    output: Mapping[int, Tensor]


@torch.no_grad()
def backward(
    forward: ForwardPass, cotangents: Mapping[int, Tensor], wanted: Wanted, stop: int = 0
) -> Gradients:
    """Return the gradient of Σ cotangent · output.

    Parameters
    ----------
    cotangents
        By node number, of the shape of the node's output.
    wanted
        ``"weights"``: gradients of weights and all adjoints. ``"input"``: only the adjoint of
        node ``stop``; everything else is dropped on the way.
    stop
        Nodes before this one are not visited.
    """
    network = forward.network
    adjoint = _Adjoints(forward, dict(cotangents))
    weight: dict[int, Tensor] = {}
    needs_input = network.descendants(stop) if wanted == "input" else None
    for number in range(network.output, stop - 1, -1):
        if number not in adjoint.values:
            continue
        if wanted == "input" and number != stop and number not in (needs_input or ()):
            adjoint.values.pop(number)
            continue
        if number > stop or wanted == "weights":
            gradient = adjoint.pull(number, with_weight=wanted == "weights")
            if gradient is not None:
                weight[number] = gradient
            if wanted == "input":
                adjoint.values.pop(number)
    return Gradients(weight, adjoint.values)


@dataclass
class _Adjoints:
    """Adjoints found so far; ``pull`` passes one on to the nodes it was computed from."""

    forward: ForwardPass
    values: dict[int, Tensor] = field(default_factory=dict)

    def pull(self, number: int, with_weight: bool) -> Tensor | None:
        """Add this node's contributions to its sources' adjoints; return the weight's gradient."""
        node, values, gradient = self.forward.network.nodes[number], self.forward.values, None
        adjoint = self.values[number]
        match node:
            case Input() | Zeros():
                pass
            case Conv(source=source):
                to_input = (
                    not isinstance(self.forward.network.nodes[source], Input) or not with_weight
                )
                weight = self.forward.parameters.weight[number]
                if with_weight:
                    below, gradient = both_below(adjoint, values[source], weight, node, to_input)
                elif to_input:
                    below = adjoint_below(adjoint, weight, node, self._shape(source))
                if to_input:
                    self._add(source, below)
            case Linear(source=source):
                gradient = adjoint.T @ values[source] if with_weight else None
                self._add(source, adjoint @ self.forward.parameters.weight[number])
            case BatchNorm(source=source):
                self._add(source, self._through_statistics(number, source, adjoint))
            case Relu(source=source):
                below = torch.ops.aten.threshold_backward(adjoint, values[number], 0)
                self._add(source, below)
            case AvgPool(source=source):
                self._add(source, average_below(adjoint, node, self._shape(source)))
            case MaxPool(source=source):
                places = largest_places(node, values[source])
                self._add(source, largest_backward(node, adjoint, places, self._shape(source)))
            case Truncate(source=source):
                self._add(source, truncate_backward(adjoint, self._shape(source)))
            case Shift(source=source):
                self._add(source, shift_below(adjoint))
            case Concat(sources=sources):
                parts = concat_backward(adjoint, [self._shape(source) for source in sources])
                for source, below in zip(sources, parts, strict=True):
                    self._add(source, below)
            case Add(sources=sources):
                for source in sources:
                    self._add(source, adjoint)
            case GlobalAvgPool(source=source):
                self._add(source, mean_backward(adjoint, self._shape(source)))
            case _:
                raise TypeError(f"{type(node).__name__} is not supported here")
        return gradient

    def _shape(self, number: int) -> tuple[int, ...]:
        return self.forward.network.shapes[number]

    def _through_statistics(self, number: int, source: int, adjoint: Tensor) -> Tensor:
        if number not in self.forward.statistics:
            return adjoint
        return normalise_backward(self.forward, number, source, adjoint)

    def _add(self, number: int, contribution: Tensor) -> None:
        known = self.values.get(number)
        self.values[number] = contribution if known is None else known + contribution


def normalise_backward(forward: ForwardPass, number: int, source: int, adjoint: Tensor) -> Tensor:
    """Apply the Jacobian of a batch normalisation, which is symmetric, to ``adjoint``."""
    statistics = forward.statistics[number]
    below: Tensor = torch.ops.aten.native_batch_norm_backward(
        adjoint,
        forward.values[source],
        None,
        None,
        None,
        statistics.mean,
        statistics.inverse_deviation,
        True,
        BATCH_NORM_EPSILON,
        [True, False, False],
    )[0]
    return below


def largest_places(node: MaxPool, x: Tensor) -> Tensor:
    """Return where each window of maximum pooling is largest, (B, C, …) into height · width."""
    places: Tensor = F.max_pool2d(x, node.kernel, node.stride, node.padding, return_indices=True)[1]
    return places


def largest_backward(
    node: MaxPool, adjoint: Tensor, places: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """Pass an adjoint back to the places of :func:`largest_places`, (B, C, …) → (B, *shape)."""
    below: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
        adjoint.contiguous(memory_format=torch.channels_last),
        empty_map(adjoint, shape),
        [node.kernel] * 2,
        [node.stride] * 2,
        [node.padding] * 2,
        [1, 1],
        False,
        places.contiguous(memory_format=torch.channels_last),
    )
    return below


def truncate_backward(adjoint: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Pass an adjoint back to the first channels, (B, C, …) → (B, *shape)."""
    below = adjoint.new_zeros(len(adjoint), *shape).contiguous(memory_format=torch.channels_last)
    below[:, : adjoint.shape[1]] = adjoint
    return below


def concat_backward(adjoint: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Pass an adjoint back to the maps whose channels were joined, (B, C, …) → (B, *shape) each."""
    parts = torch.split(adjoint, [shape[0] for shape in shapes], dim=1)
    return [part.contiguous(memory_format=torch.channels_last) for part in parts]


def mean_backward(adjoint: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Pass an adjoint back through the mean over height and width, (B, C) → (B, *shape)."""
    spread = (adjoint / (shape[1] * shape[2]))[:, :, None, None].expand(-1, *shape)
    return spread.contiguous(memory_format=torch.channels_last)


Visitor = Callable[[int, Tensor, Tensor], None]
"""Receives a number, the node's input (B, …) and its adjoints (K, B, …)."""


@torch.no_grad()
def backward_per_image(
    forward: ForwardPass, cotangents: Tensor, visit: Visitor, start: int | None = None
) -> None:
    """Go back with K cotangents of one output, the statistics of batch normalisation held fixed.

    Parameters
    ----------
    cotangents
        (K, B, …): of the logits, or of the output of node ``start``.
    visit
        Called for each convolution, linear layer and batch normalisation that a cotangent
        reaches, from the output to the input.
    """
    network, count = forward.network, len(cotangents)
    start = network.output if start is None else start
    adjoint = {start: cotangents.flatten(0, 1)}
    for number in range(start, -1, -1):
        if number not in adjoint:
            continue
        here = adjoint.pop(number)
        node = network.nodes[number]
        if isinstance(node, Conv | Linear | BatchNorm) and node.source in forward.values:
            visit(number, forward.values[node.source], _split(here, count))
        for source, below in _pull_fixed(forward, number, here, count):
            known = adjoint.get(source)
            adjoint[source] = below if known is None else known + below


def _split(adjoint: Tensor, count: int) -> Tensor:
    """Return (K · B, …) as (K, B, …)."""
    return torch.unflatten(adjoint, 0, (count, -1))


def _pull_fixed(
    forward: ForwardPass, number: int, adjoint: Tensor, count: int
) -> Iterator[tuple[int, Tensor]]:
    node, network = forward.network.nodes[number], forward.network
    match node:
        case Input() | Zeros():
            return
        case Conv(source=source):
            if isinstance(network.nodes[source], Input):
                return
            weight = forward.parameters.weight[number]
            yield source, adjoint_below(adjoint, weight, node, network.shapes[source])
        case Linear(source=source):
            yield source, adjoint @ forward.parameters.weight[number]
        case BatchNorm(source=source):
            if number in forward.statistics:
                inverse_deviation = forward.statistics[number].inverse_deviation
                yield source, adjoint * inverse_deviation[None, :, None, None]
            else:
                yield source, adjoint
        case Relu(source=source):
            split, output = _split(adjoint, count), forward.values[number]
            below = torch.ops.aten.threshold_backward(split, output.expand_as(split), 0)
            yield source, below.flatten(0, 1)
        case AvgPool(source=source):
            yield source, average_below(adjoint, node, network.shapes[source])
        case MaxPool(source=source):
            places = largest_places(node, forward.values[source]).repeat(count, 1, 1, 1)
            yield source, largest_backward(node, adjoint, places, network.shapes[source])
        case Truncate(source=source):
            yield source, truncate_backward(adjoint, network.shapes[source])
        case Shift(source=source):
            yield source, shift_below(adjoint)
        case Concat(sources=sources):
            shapes = [network.shapes[source] for source in sources]
            yield from zip(sources, concat_backward(adjoint, shapes), strict=True)
        case Add(sources=sources):
            for source in sources:
                yield source, adjoint
        case GlobalAvgPool(source=source):
            yield source, mean_backward(adjoint, network.shapes[source])
        case _:
            raise TypeError(f"{type(node).__name__} is not supported here")
