"""One forward pass whose values are kept, for everything that goes back through the network.

Train mode: batch normalisation uses the statistics of the batch. Maps that no gradient needs
(outputs of batch normalisation that only a sum reads, say) are dropped after their last reader.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.layers import average_map, convolve_map, shift_map
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
    Network,
    Relu,
    Shift,
    Truncate,
    Zeros,
)

BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Parameters:
    """Weights and biases by node number, on one device; biases of linear layers only."""

    weight: Mapping[int, Tensor]
    bias: Mapping[int, Tensor]


@dataclass(frozen=True)
class Statistics:
    """Mean and 1 / √(variance + ε) of a batch normalisation's input, (channels,) each."""

    mean: Tensor
    inverse_deviation: Tensor


@dataclass(frozen=True)
class ForwardPass:
    """What a forward pass left behind.

    Parameters
    ----------
    values
        Outputs by node number, (B, C, height, width) or (B, features): all that a node with
        weights or a ReLU reads or makes, all that batch normalisation and pooling for the maximum
        or over the whole map read, and the ends of blocks.
    first
        The output of every node for the first image, (1, C, height, width) or (1, features), of
        a pass that was asked for them.
    statistics
        Of each active batch normalisation, by node number; where there are none it is the identity.
    """

    network: Network
    parameters: Parameters
    values: Mapping[int, Tensor]
    first: Mapping[int, Tensor]
    statistics: Mapping[int, Statistics]

    @property
    def logits(self) -> Tensor:
        """Outputs of the network, (B, classes)."""
        return self.values[self.network.output]

    def of_first(self, images: int) -> ForwardPass:
        """Return the pass of the first ``images`` images, with the statistics of all."""
        values = {number: value[:images] for number, value in self.values.items()}
        return ForwardPass(self.network, self.parameters, values, self.first, self.statistics)


@torch.no_grad()
def record(
    network: Network,
    parameters: Parameters,
    batch: Tensor,
    normalised: Collection[int] | None = None,
    *,
    keep_first: bool = False,
) -> ForwardPass:
    """Run ``batch`` through all nodes of ``network``.

    Parameters
    ----------
    batch
        (B, 3, height, width); its type is that of all values.
    normalised
        Numbers of the batch normalisations that are in effect, by default all; the others are
        left out.
    keep_first
        Whether every node's output for the first image is kept, too.
    """
    run = _Run(network, parameters, batch, normalised, keep_first)
    for number in range(len(network.nodes)):
        run.execute(number)
    return ForwardPass(network, parameters, run.values, run.first, run.statistics)


def node_output(
    network: Network,
    number: int,
    values: Mapping[int, Tensor],
    batch: Tensor,
    parameters: Parameters,
    normalise: Callable[[int, Tensor], Tensor],
) -> Tensor:
    """Return the output of one node, (B, C, height, width) or (B, features).

    Parameters
    ----------
    values
        Outputs of the nodes it reads, by node number.
    normalise
        Batch normalisation of a node, given its number and its input.
    """
    node = network.nodes[number]
    match node:
        case Input():
            return batch
        case Zeros():
            shape = (len(batch), *network.shapes[number])
            zeros = torch.zeros(shape, dtype=batch.dtype, device=batch.device)
            return zeros.contiguous(memory_format=torch.channels_last)
        case Conv(source=source):
            return convolve_map(values[source], parameters.weight[number], node)
        case BatchNorm(source=source):
            return normalise(number, values[source])
        case Relu(source=source):
            return F.relu(values[source])
        case AvgPool(source=source):
            return average_map(values[source], node)
        case MaxPool(source=source):
            return torch.max_pool2d(values[source], node.kernel, node.stride, node.padding)
        case Truncate(source=source):
            first = values[source][:, : node.channels]
            return first.contiguous(memory_format=torch.channels_last)
        case Shift(source=source):
            return shift_map(values[source])
        case Concat(sources=sources):
            return torch.cat([values[source] for source in sources], dim=1)
        case Add(sources=sources):
            total = values[sources[0]] + values[sources[1]]
            for source in sources[2:]:
                total += values[source]
            return total
        case GlobalAvgPool(source=source):
            return values[source].mean(dim=(2, 3))
        case Linear(source=source):
            return F.linear(values[source], parameters.weight[number], parameters.bias[number])
        case _:
            raise TypeError(f"{type(node).__name__} is not supported here")


def last_readers(network: Network) -> dict[int, int]:
    """Return for each node that is read the last node that reads it."""
    return {source: number for number, node in enumerate(network.nodes) for source in node.sources}


def kept_nodes(network: Network) -> set[int]:
    """Return the nodes whose outputs a backward pass or a proxy reads."""
    kept = {network.output, *network.blocks}
    for number, node in enumerate(network.nodes):
        if isinstance(node, Conv | Linear | Relu):
            kept |= {number, *node.sources}
        elif isinstance(node, BatchNorm | MaxPool | GlobalAvgPool):
            kept.add(node.source)
    return kept


@dataclass
class _Run:
    network: Network
    parameters: Parameters
    batch: Tensor
    normalised: Collection[int] | None
    keep_first: bool
    values: dict[int, Tensor] = field(default_factory=dict)
    first: dict[int, Tensor] = field(default_factory=dict)
    statistics: dict[int, Statistics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kept = kept_nodes(self.network)
        self._last_reader = last_readers(self.network)

    def execute(self, number: int) -> None:
        """Compute the output of a node, then drop what nobody reads any more."""
        self.values[number] = node_output(
            self.network, number, self.values, self.batch, self.parameters, self._normalise
        )
        if self.keep_first:
            first = self.values[number][:1]
            self.first[number] = first if number in self._kept else first.clone()
        for source in (*self.network.nodes[number].sources, number):
            if source not in self._kept and self._last_reader.get(source, number) == number:
                self.values.pop(source, None)

    def _normalise(self, number: int, x: Tensor) -> Tensor:
        if self.normalised is not None and number not in self.normalised:
            return x
        output, mean, inverse_deviation = torch.native_batch_norm(
            x, None, None, None, None, True, 0.0, BATCH_NORM_EPSILON
        )
        self.statistics[number] = Statistics(mean, inverse_deviation)
        return output
