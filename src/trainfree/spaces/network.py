"""Networks as data: a list of nodes in topological order that anybody can execute or count.

A space's builder describes the network of an architecture with these nodes; the scoring engine
executes it, and the counts below need no tensor library at all. Shapes are those of one image,
(channels, height, width) or (features,).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Input:
    """The image."""

    sources: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True, slots=True)
class Zeros:
    """A feature map of zeros: a cell node that no operation feeds."""

    sources: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True, slots=True)
class _Reader:
    """A node that reads one other."""

    source: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Nodes this one reads."""
        return (self.source,)


@dataclass(frozen=True, slots=True)
class Conv(_Reader):
    """Convolution without bias; its input has ``in_channels`` channels."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        """Zeros on each side: as many as keep the size at stride 1."""
        return self.kernel // 2

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out channels, in channels, kernel, kernel)."""
        return (self.out_channels, self.in_channels, self.kernel, self.kernel)


@dataclass(frozen=True, slots=True)
class BatchNorm(_Reader):
    """Batch normalisation with batch statistics and a learnable scale and shift."""


@dataclass(frozen=True, slots=True)
class Relu(_Reader):
    """Rectified linear units.

    Parameters
    ----------
    modules
        How many ReLU modules of the published network compute this very output: the edges that
        leave one cell node each have their own, with equal input and so an equal binary code.
    wrapped
        Whether the module sits inside one whose class is named after ReLU (``ReLUConvBN``), which
        the published NASWOT code counts a second time.
    """

    modules: int
    wrapped: bool


@dataclass(frozen=True, slots=True)
class AvgPool(_Reader):
    """Average pooling; padding, where there is any, is not averaged over."""

    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class MaxPool(_Reader):
    """Maximum pooling; padding, where there is any, is never the maximum."""

    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class Truncate(_Reader):
    """The first ``channels`` channels of a feature map."""

    channels: int


@dataclass(frozen=True, slots=True)
class Shift(_Reader):
    """A feature map moved by one pixel up and to the left, zeros behind it.

    out[c, i, j] = x[c, i + 1, j + 1]; the last row and the last column are zeros.
    """


@dataclass(frozen=True, slots=True)
class Concat:
    """The channels of several feature maps of one size, one map after the other."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Sum of several feature maps of one shape."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GlobalAvgPool(_Reader):
    """Mean over height and width."""


@dataclass(frozen=True, slots=True)
class Linear(_Reader):
    """Fully connected layer with bias."""

    in_features: int
    out_features: int

    @property
    def weight_shape(self) -> tuple[int, int]:
        """(out features, in features)."""
        return (self.out_features, self.in_features)


Node = (
    Input
    | Zeros
    | Conv
    | BatchNorm
    | Relu
    | AvgPool
    | MaxPool
    | Truncate
    | Shift
    | Concat
    | Add
    | GlobalAvgPool
    | Linear
)


@dataclass(frozen=True)
class Network:
    """A network: nodes in topological order, the last one being the output.

    Parameters
    ----------
    nodes
        Each node reads only nodes before it.
    shapes
        Output shape of each node for one image.
    blocks
        Nodes that end the stem and each block (cell, residual block), in order: all that follows
        depends on the image through them alone.
    stops
        How many nodes there are when the stem and each block has ended, those included that no
        path to the output uses. Empty where it is not known.
    """

    nodes: tuple[Node, ...]
    shapes: tuple[tuple[int, ...], ...]
    blocks: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    @property
    def output(self) -> int:
        """Number of the node that holds the logits."""
        return len(self.nodes) - 1

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the nodes that hold the image."""
        return tuple(n for n, node in enumerate(self.nodes) if isinstance(node, Input))

    @property
    def params(self) -> int:
        """Number of learnable parameters, batch normalisation included."""
        return sum(self._params_of(number) for number in range(len(self.nodes)))

    @property
    def flops(self) -> int:
        """Operations for one image, counted as the NAS-Bench-201 files count them.

        One multiply-add of a convolution or fully connected layer is one operation, a bias is one
        per output; normalisation, pooling, activation and sums are free.
        """
        return sum(self._flops_of(number) for number in range(len(self.nodes)))

    @property
    def relu_units(self) -> int:
        """Number of ReLU units for one image, each ReLU module counted once."""
        return sum(
            node.modules * prod(self.shapes[number])
            for number, node in enumerate(self.nodes)
            if isinstance(node, Relu)
        )

    def weighted(self) -> Iterator[tuple[int, Conv | Linear]]:
        """Yield the convolutions and fully connected layers with their numbers, in order."""
        for number, node in enumerate(self.nodes):
            if isinstance(node, Conv | Linear):
                yield number, node

    def ancestors(self, targets: Iterable[int]) -> set[int]:
        """Return the nodes that any of ``targets`` depends on, themselves included."""
        needed: set[int] = set()
        waiting = list(targets)
        while waiting:
            number = waiting.pop()
            if number not in needed:
                needed.add(number)
                waiting.extend(self.nodes[number].sources)
        return needed

    def descendants(self, origin: int) -> set[int]:
        """Return the nodes that depend on ``origin``, itself included."""
        reached = {origin}
        for number in range(origin + 1, len(self.nodes)):
            if reached.intersection(self.nodes[number].sources):
                reached.add(number)
        return reached

    def _params_of(self, number: int) -> int:
        node = self.nodes[number]
        if isinstance(node, Conv):
            return prod(node.weight_shape)
        if isinstance(node, Linear):
            return prod(node.weight_shape) + node.out_features
        if isinstance(node, BatchNorm):
            return 2 * self.shapes[number][0]
        return 0

    def _flops_of(self, number: int) -> int:
        node = self.nodes[number]
        if isinstance(node, Conv):
            _, height, width = self.shapes[number]
            return prod(node.weight_shape) * height * width
        if isinstance(node, Linear):
            return prod(node.weight_shape) + node.out_features
        return 0


@dataclass
class NetworkBuilder:
    """Adds nodes one by one and keeps track of their shapes."""

    nodes: list[Node] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)

    def end_block(self, number: int) -> int:
        """Mark node ``number`` as the end of the stem or of a block (see :class:`Network`).

        All nodes of the block have to be there.
        """
        self.blocks.append(number)
        self.stops.append(len(self.nodes))
        return number

    def input(self, channels: int, size: int) -> int:
        """Add the image, ``channels`` × ``size`` × ``size``."""
        return self._add(Input(), (channels, size, size))

    def zeros(self, shape: tuple[int, ...]) -> int:
        """Add a feature map of zeros, (channels, height, width)."""
        return self._add(Zeros(), shape)

    def zeros_like(self, like: int) -> int:
        """Add a feature map of zeros with the shape of node ``like``."""
        return self.zeros(self.shapes[like])

    def conv(self, source: int, out_channels: int, kernel: int, stride: int = 1) -> int:
        """Add a convolution that keeps the size, but for its stride."""
        channels, height, width = self.shapes[source]
        shape = (out_channels, -(-height // stride), -(-width // stride))
        return self._add(Conv(source, channels, out_channels, kernel, stride), shape)

    def batch_norm(self, source: int) -> int:
        """Add batch normalisation."""
        return self._add(BatchNorm(source), self.shapes[source])

    def relu(self, source: int, modules: int, wrapped: bool) -> int:
        """Add ReLU units (see :class:`Relu`)."""
        return self._add(Relu(source, modules, wrapped), self.shapes[source])

    def avg_pool(self, source: int, kernel: int, stride: int, padding: int) -> int:
        """Add average pooling."""
        shape = self._pooled(source, kernel, stride, padding)
        return self._add(AvgPool(source, kernel, stride, padding), shape)

    def max_pool(self, source: int, kernel: int, stride: int, padding: int) -> int:
        """Add maximum pooling."""
        shape = self._pooled(source, kernel, stride, padding)
        return self._add(MaxPool(source, kernel, stride, padding), shape)

    def truncate(self, source: int, channels: int) -> int:
        """Keep the first channels; of all channels it is the source itself."""
        if channels == self.shapes[source][0]:
            return source
        return self._add(Truncate(source, channels), (channels, *self.shapes[source][1:]))

    def shift(self, source: int) -> int:
        """Add a map moved by one pixel (see :class:`Shift`)."""
        return self._add(Shift(source), self.shapes[source])

    def concat(self, sources: list[int]) -> int:
        """Join the channels of feature maps of one size; of one map it is that map itself."""
        if len(sources) == 1:
            return sources[0]
        channels = sum(self.shapes[source][0] for source in sources)
        return self._add(Concat(tuple(sources)), (channels, *self.shapes[sources[0]][1:]))

    def add(self, sources: list[int]) -> int:
        """Add a sum; of one summand it is that summand itself."""
        if len(sources) == 1:
            return sources[0]
        return self._add(Add(tuple(sources)), self.shapes[sources[0]])

    def global_avg_pool(self, source: int) -> int:
        """Add the mean over height and width."""
        return self._add(GlobalAvgPool(source), self.shapes[source][:1])

    def linear(self, source: int, out_features: int) -> int:
        """Add a fully connected layer."""
        (in_features,) = self.shapes[source]
        return self._add(Linear(source, in_features, out_features), (out_features,))

    def network(self) -> Network:
        """Return the finished network; the node added last is its output."""
        ends = tuple(self.blocks), tuple(self.stops)
        return Network(tuple(self.nodes), tuple(self.shapes), *ends)

    def _pooled(self, source: int, kernel: int, stride: int, padding: int) -> tuple[int, ...]:
        channels, *size = self.shapes[source]
        return (channels, *((side + 2 * padding - kernel) // stride + 1 for side in size))

    def _add(self, node: Node, shape: tuple[int, ...]) -> int:
        self.nodes.append(node)
        self.shapes.append(shape)
        return len(self.nodes) - 1
