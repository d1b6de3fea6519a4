"""A network described as data as a plain torch module, to train, to hook and to change."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.node import Argument
from torch.nn import functional as F

from trainfree.randomness import stream
from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, Parameters
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces import build_network
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
from trainfree.spaces.protocol import Space


class WrappedReLU(nn.Sequential):
    """A ReLU in a module that is named after it, as in the published ``ReLUConvBN`` blocks."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU())


class BlockEnd(nn.Identity):
    """Passes on what the stem or a block has made."""


class NetworkModule(fx.GraphModule):
    """A network as a torch module: copied, pickled, trained and moved as any other.

    ``code`` is what it does, in Python.
    """

    @property
    def blocks_end(self) -> tuple[str, ...]:
        """Names of the submodules whose outputs end the stem and each block, in order."""
        return tuple(name for name, part in self.named_children() if isinstance(part, BlockEnd))

    # As torch copies and pickles a GraphModule it would come back without what this class adds.

    def __copy__(self) -> NetworkModule:
        return NetworkModule(self, self.graph, _NAME)

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkModule:
        again = super().__deepcopy__(memo)
        type(again).__name__ = _NAME
        return cast(NetworkModule, again)

    def __reduce__(self) -> tuple[Callable[..., NetworkModule], tuple[object, ...]]:
        return _unpickled, super().__reduce__()


_NAME = "Network"


def _unpickled(make: Callable[..., fx.GraphModule], arguments: tuple[object, ...]) -> NetworkModule:
    module = make(*arguments)
    return NetworkModule(module, module.graph, _NAME)


def module_of(network: Network, parameters: Parameters) -> NetworkModule:
    """Return the network as a trainable torch module in train mode.

    Each node with something to learn, each pooling, each ReLU and each end of a block is a
    submodule, named after its kind and its number, ``conv_12``; the other nodes are plain
    operations. Nodes that do not reach the output are executed, too.

    Parameters
    ----------
    parameters
        Copied; their device and type are the module's.

    Returns
    -------
    NetworkModule
        Maps images, (B, 3, height, width), to logits, (B, classes).
    """
    builder = _Builder(network, parameters)
    for number in range(len(network.nodes)):
        builder.add(number)
    return builder.finish()


def space_module(
    space: Space,
    index: int,
    image_size: int,
    classes: int,
    seed: int = 0,
    initialization: Initialization = "pytorch",
) -> NetworkModule:
    """Return an architecture as a torch module with the weights that the suite scores.

    Parameters
    ----------
    index
        Its place in the space.
    image_size
        Pixels a side of the images.
    seed
        Root seed; it and the index decide the weights.
    initialization
        How they are drawn; see :func:`~trainfree.scoring.weights.draw_weights`.

    Raises
    ------
    ArchitectureError
        When the index is not in the space.
    ImageError
        When images of this size do not fit the space's networks.
    """
    network = build_network(space, index, image_size, classes)
    drawn = draw_weights(network, initialization, stream(seed, "weights", index))
    return module_of(network, as_parameters(drawn))


def as_parameters(drawn: Weights) -> Parameters:
    """Return drawn weights as tensors, float32 on the CPU."""
    return Parameters(
        {number: torch.from_numpy(value) for number, value in drawn.weight.items()},
        {number: torch.from_numpy(value) for number, value in drawn.bias.items()},
    )


@dataclass
class _Builder:
    """Adds node by node to a graph; submodules and so parameters come in the order of nodes.

    ``outputs`` holds for each node what may be read, of a ReLU with several modules one output
    for each; ``read`` counts how many of them have a reader.
    """

    network: Network
    parameters: Parameters
    graph: fx.Graph = field(default_factory=fx.Graph)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    outputs: dict[int, list[fx.Node]] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images = self.graph.placeholder("images")

    def add(self, number: int) -> None:
        """Add a node and the ends of blocks that it is."""
        self.outputs[number] = self._execute(number)
        for place, end in enumerate(self.network.blocks):
            if end == number:
                output = self.outputs[number][0]
                self.outputs[number] = [self._call(f"block_end_{place}", BlockEnd(), output)]

    def finish(self) -> NetworkModule:
        """Return the module."""
        self.graph.output(self._reads(self.network.output))
        return NetworkModule(self.modules, self.graph, _NAME)

    def _execute(self, number: int) -> list[fx.Node]:
        node = self.network.nodes[number]
        match node:
            case Input():
                return [self.images]
            case Zeros():
                count = self.graph.call_method("size", (self.images, 0))
                shape: tuple[Argument, ...] = (count, *self.network.shapes[number])
                return [self._operation("zeros", number, "new_zeros", self.images, shape)]
            case Relu(source=source):
                x, kind = self._reads(source), WrappedReLU if node.wrapped else nn.ReLU
                names = [f"relu_{number}"]
                if node.modules > 1:
                    names = [f"relu_{number}_{copy}" for copy in range(node.modules)]
                return [self._call(name, kind(), x) for name in names]
            case Truncate(source=source):
                x = self._reads(source)
                return [self._operation("truncate", number, "narrow", x, 1, 0, node.channels)]
            case Shift(source=source):
                # What lies before the map is cut off, what lies behind it is padded.
                arguments = (self._reads(source), (-1, 1, -1, 1))
                return [
                    self.graph.create_node(
                        "call_function", F.pad, arguments, name=f"shift_{number}"
                    )
                ]
            case Concat(sources=sources):
                parts = [self._reads(source) for source in sources]
                name = f"concat_{number}"
                return [self.graph.create_node("call_function", torch.cat, (parts, 1), name=name)]
            case Add(sources=sources):
                return [self._sum(number, sources)]
            case GlobalAvgPool(source=source):
                return [self._operation("mean", number, "mean", self._reads(source), (2, 3))]
            case Conv(source=source) | BatchNorm(source=source) | Linear(source=source):
                return [self._layer(number, node, self._reads(source))]
            case AvgPool(source=source) | MaxPool(source=source):
                return [self._layer(number, node, self._reads(source))]

    def _sum(self, number: int, sources: tuple[int, ...]) -> fx.Node:
        total = self._reads(sources[0])
        for place, source in enumerate(sources[1:], 2):
            name = f"add_{number}" if place == len(sources) else f"partial_{number}"
            both = (total, self._reads(source))
            total = self.graph.create_node("call_function", operator.add, both, name=name)
        return total

    def _layer(
        self, number: int, node: Conv | BatchNorm | Linear | AvgPool | MaxPool, x: fx.Node
    ) -> fx.Node:
        parameters, layer = self.parameters, nn.Module()
        name = type(node).__name__
        match node:
            case Conv():
                # On no device, so that nothing is drawn.
                layer = nn.Conv2d(
                    *(node.in_channels, node.out_channels, node.kernel, node.stride, node.padding),
                    bias=False,
                    device="meta",
                )
                layer.weight = _parameter(parameters.weight[number])
            case Linear():
                layer = nn.Linear(node.in_features, node.out_features, device="meta")
                layer.weight = _parameter(parameters.weight[number])
                layer.bias = _parameter(parameters.bias[number])
            case BatchNorm():
                name = "batch_norm"
                layer = nn.BatchNorm2d(self.network.shapes[number][0], eps=BATCH_NORM_EPSILON)
                layer.to(next(iter(parameters.weight.values())))
            case AvgPool():
                name = "avg_pool"
                layer = nn.AvgPool2d(
                    node.kernel, node.stride, node.padding, count_include_pad=False
                )
            case MaxPool():
                name = "max_pool"
                layer = nn.MaxPool2d(node.kernel, node.stride, node.padding)
        return self._call(f"{name.lower()}_{number}", layer, x)

    def _call(self, name: str, module: nn.Module, x: fx.Node) -> fx.Node:
        self.modules[name] = module
        return self.graph.call_module(name, (x,))

    def _operation(self, kind: str, number: int, method: str, *what: Argument) -> fx.Node:
        return self.graph.create_node("call_method", method, what, name=f"{kind}_{number}")

    def _reads(self, number: int) -> fx.Node:
        """Return what the next reader of a node reads: the first modules have one reader each."""
        outputs, place = self.outputs[number], self.read.get(number, 0)
        self.read[number] = place + 1
        return outputs[min(place, len(outputs) - 1)]


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().clone(memory_format=torch.contiguous_format))
