"""A super-network of NAS-Bench-201: one set of weights of which every architecture uses a part.

The skeleton is the published one (Dong and Yang, ICLR 2020, section 2; ``skeleton.py`` of the
space): stem, three stages of cells, residual blocks between them. Every edge of every cell has all
operations. As in the scripts of NAS-Bench-201, batch normalisation inside cells has no scale and no
shift, and normalises by the batch alone unless ``running_statistics``; that of the stem, of the
residual blocks and of the head has both and keeps running statistics. The scripts' convolutions
inside cells have a bias, which the normalisation after them cancels; it is left out.

Convolutions that leave one node read the same activations, so their weights stand in one tensor and
run as one convolution where all of them are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.spaces.nasbench201.skeleton import CONV_KERNELS
from trainfree.spaces.nasbench201.space import EDGES, NODES

MOMENTUM = 0.1
"""Share of a batch in running statistics, as torch has it."""
LEAVING = tuple(
    tuple(edge for edge, (_, source) in enumerate(EDGES) if source == node)
    for node in range(NODES - 1)
)
"""For each node but the last, the edges that leave it."""
Digits = Sequence[int]
"""The operation on each edge, as the space numbers them."""


class StackedConvolution(nn.Module):
    """ReLU, convolution and batch normalisation of one kernel size on all edges leaving a node.

    Parameters
    ----------
    count
        How many edges leave the node.
    channels
        Of each.
    kernel
        Height and width.
    running_statistics
        Whether evaluation normalises by running means, else by those of the batch.
    """

    def __init__(self, count: int, channels: int, kernel: int, running_statistics: bool) -> None:
        super().__init__()
        self.channels, self.padding = channels, kernel // 2
        self.weight = nn.Parameter(torch.empty(count * channels, channels, kernel, kernel))
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        if running_statistics:
            self.register_buffer("running_mean", torch.zeros(count * channels))
            self.register_buffer("running_var", torch.ones(count * channels))
        else:
            self.running_mean = self.running_var = None

    def forward(self, activated: Tensor, place: int | None = None) -> Tensor:
        """Return what one edge makes of a node's activations, or all, channel after channel."""
        rows = slice(None)
        if place is not None:
            rows = slice(place * self.channels, (place + 1) * self.channels)
        mean, variance = self.running_mean, self.running_var
        tracked = mean is not None and variance is not None
        return F.batch_norm(
            F.conv2d(activated, self.weight[rows], padding=self.padding),
            mean[rows] if mean is not None else None,
            variance[rows] if variance is not None else None,
            training=self.training or not tracked,
            momentum=MOMENTUM,
        )


class SharedCell(nn.Module):
    """A cell with all operations on every edge.

    Parameters
    ----------
    channels
        Of its nodes.
    operations
        Names of the operations, in the space's order.
    running_statistics
        See :class:`StackedConvolution`.
    """

    def __init__(self, channels: int, operations: Sequence[str], running_statistics: bool) -> None:
        super().__init__()
        self.operations = tuple(operations)
        kernels = {name: CONV_KERNELS[name] for name in operations if name in CONV_KERNELS}
        self.convolutions = nn.ModuleList(
            nn.ModuleDict(
                {
                    name: StackedConvolution(len(edges), channels, kernel, running_statistics)
                    for name, kernel in kernels.items()
                }
            )
            for edges in LEAVING
        )

    def mixture(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the output where every edge is the sum of its operations by ``weights``.

        Parameters
        ----------
        weights
            (edges, operations).
        """
        into: list[list[Tensor]] = [[] for _ in range(NODES)]
        for node, edges in enumerate(LEAVING):
            value = x if node == 0 else _summed(into[node])
            parts = self._all_operations(node, value)
            for place, edge in enumerate(edges):
                target = EDGES[edge][0]
                for code, part in parts.items():
                    made = part if part.shape[1] == x.shape[1] else part.chunk(len(edges), 1)[place]
                    into[target].append(made * weights[edge, code])
        return _summed(into[-1])

    def _all_operations(self, node: int, value: Tensor) -> dict[int, Tensor]:
        """Return by operation what a node's value becomes; convolutions on all edges at once."""
        activated = F.relu(value)
        parts = {}
        for code, name in enumerate(self.operations):
            if name == "skip_connect":
                parts[code] = value
            elif name == "avg_pool_3x3":
                parts[code] = _pooled(value)
            elif name in CONV_KERNELS:
                parts[code] = self._convolution(node, name)(activated)
        return parts

    def chosen(self, x: Tensor, digits: Digits, weights: Tensor | None = None) -> Tensor:
        """Return the output of one architecture; nothing else is computed.

        Parameters
        ----------
        digits
            The operation on each edge.
        weights
            (edges, operations) for a straight-through sample (GDAS): the chosen operation is
            multiplied by its weight, and the weights of the others, which are zero but have
            gradients, are added. None for neither.
        """
        into: list[list[Tensor]] = [[] for _ in range(NODES)]
        for node, edges in enumerate(LEAVING):
            value = x if node == 0 else _summed(into[node], x)
            activated: Tensor | None = None
            for place, edge in enumerate(edges):
                name, made = self.operations[digits[edge]], None
                if name in CONV_KERNELS:
                    activated = F.relu(value) if activated is None else activated
                    made = self._convolution(node, name)(activated, place)
                elif name == "avg_pool_3x3":
                    made = _pooled(value)
                elif name == "skip_connect":
                    made = value
                if weights is not None:
                    own = weights[edge, digits[edge]]
                    others = weights[edge].sum() - own
                    made = others.expand_as(x) if made is None else made * own + others
                if made is not None:
                    into[EDGES[edge][0]].append(made)
        return _summed(into[-1], x)

    def _convolution(self, node: int, name: str) -> StackedConvolution:
        leaving = self.convolutions[node]
        assert isinstance(leaving, nn.ModuleDict)
        found = leaving[name]
        assert isinstance(found, StackedConvolution)
        return found


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the first of stride 2, beside a pooled 1 x 1 convolution."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(before, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return half as large maps of ``channels`` channels."""
        y = self.first_norm(self.first(F.relu(x)))
        y = self.second_norm(self.second(F.relu(y)))
        total: Tensor = self.shortcut(F.avg_pool2d(x, 2)) + y
        return total


class SuperNetwork(nn.Module):
    """All architectures of the space in one network.

    Parameters
    ----------
    operations
        Names of the operations, in the space's order.
    channels
        Of the first stage; they double from stage to stage.
    cells
        In each of the three stages.
    classes
        Outputs.
    running_statistics
        Whether batch normalisation inside cells keeps running statistics.
    seed
        Of the weights: each tensor uniform within one over the root of its fan-in, as torch
        draws those of convolutions and of the linear layer.
    """

    def __init__(
        self,
        operations: Sequence[str],
        *,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        running_statistics: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.operations = tuple(operations)
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.blocks = nn.ModuleList()
        for stage in range(3):
            if stage > 0:
                self.blocks.append(ResidualBlock(channels, 2 * channels))
                channels *= 2
            for _ in range(cells):
                self.blocks.append(SharedCell(channels, operations, running_statistics))
        self.head_norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, classes)
        self._draw(torch.Generator().manual_seed(seed))

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return logits where each edge sums its operations by ``weights``, (edges, operations)."""
        x = self._begun(images)
        for block in self.blocks:
            x = block.mixture(x, weights) if isinstance(block, SharedCell) else block(x)
        return self._ended(x)

    def chosen(self, images: Tensor, digits: Digits, weights: Tensor | None = None) -> Tensor:
        """Return logits of one architecture; see :meth:`SharedCell.chosen`."""
        x = self._begun(images)
        for block in self.blocks:
            x = block.chosen(x, digits, weights) if isinstance(block, SharedCell) else block(x)
        return self._ended(x)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate inside: no gradients, running statistics are used where there are any."""
        self.eval()
        with torch.no_grad():
            yield
        self.train()

    @contextmanager
    def statistics_kept(self) -> Iterator[None]:
        """Undo afterwards what passes inside do to running statistics."""
        kept = [buffer.clone() for buffer in self.buffers()]
        yield
        with torch.no_grad():
            for buffer, value in zip(self.buffers(), kept, strict=True):
                buffer.copy_(value)

    def _begun(self, images: Tensor) -> Tensor:
        x: Tensor = self.stem_norm(self.stem(images))
        return x

    def _ended(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(F.relu(self.head_norm(x)).mean(dim=(2, 3)))
        return logits

    def _draw(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for weight in self.parameters():
                if weight.ndim > 1:
                    bound = 1 / math.sqrt(weight[0].numel())
                    weight.uniform_(-bound, bound, generator=generator)
            bound = 1 / math.sqrt(self.head.in_features)
            self.head.bias.uniform_(-bound, bound, generator=generator)


def _summed(parts: Sequence[Tensor], like: Tensor | None = None) -> Tensor:
    """Return the sum; of nothing, zeros of another tensor's shape."""
    if not parts:
        assert like is not None
        return torch.zeros_like(like)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _pooled(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
