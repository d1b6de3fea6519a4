"""What a module is made of, from one run with three images.

The run is watched operation by operation. Later passes find their way by the numbers given here:
the third activation of one pass is the third of all.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from trainfree.errors import TrainfreeError
from trainfree.scoring.modules import operations
from trainfree.scoring.modules.conditions import Affine, OfBatch, conditions
from trainfree.scoring.modules.dataflow import Label, Operation, cuts_of, ends_of
from trainfree.scoring.modules.inputs import Inputs, call, part, tensors
from trainfree.scoring.modules.layout import PROBES, Layout, constant_layout, find_layout


@dataclass(frozen=True)
class Product:
    """A product, or the looking up in a table, by a weight.

    Parameters
    ----------
    weight
        Name of the parameter.
    layout, channels
        Where images and channels are in its output.
    """

    weight: str
    layout: Layout
    channels: int


@dataclass(frozen=True)
class Activation:
    """An activation of the images: where they are, its units, and when it came."""

    layout: Layout
    units: int
    time: int


@dataclass(frozen=True)
class Structure:
    """What a module executes; times are numbers of operations.

    Parameters
    ----------
    products, activations
        By number among all products and activations.
    layers
        Where images and channels are in outputs of products with a weight, of normalisations,
        activations and pooling, by number among all products and operations of these kinds.
    weights, biases
        Names of parameters in their order.
    flops
        Multiply-adds of an image, and one for each output with a linear layer's bias.
    normalisations
        Time of each batch normalisation.
    strides
        Times of convolutions and pooling that step over positions.
    ends
        Ends of stem and blocks: labels, or names of submodules.
    end_times
        When they were reached.
    pool
        Label of the pooling over all positions which everything passes through.
    reaches
        Whether the output depends on the images.
    values
        Numbers that operations make of an image, all together.
    output
        What the module returned for the three images.
    """

    products: dict[int, Product]
    activations: dict[int, Activation]
    layers: dict[int, tuple[Layout, int]]
    weights: tuple[str, ...]
    biases: tuple[str, ...]
    flops: int
    normalisations: tuple[int, ...]
    strides: tuple[int, ...]
    ends: tuple[Label | str, ...]
    end_times: tuple[int, ...]
    pool: Label | None
    reaches: bool
    values: int
    output: Any

    @property
    def units(self) -> int:
        """Number of units of all activations for one image."""
        return sum(activation.units for activation in self.activations.values())


def probes(inputs: Inputs) -> Inputs:
    """Return an image, the same again and the first that differs from it."""
    first = tensors(inputs)
    for other in range(1, len(first[0])):
        if any(not torch.equal(tensor[0], tensor[other]) for tensor in first):
            return part(inputs, [0, 0, other])
    raise TrainfreeError("images: all are equal; scores compare what a network makes of several")


@torch.no_grad()
def examine(model: nn.Module, inputs: Inputs, blocks: tuple[str, ...] | None) -> Structure:
    """Run the module with three of the images and return what it executes.

    Parameters
    ----------
    blocks
        Names of submodules that end stem and blocks; without them ends are found where branches
        have joined and everything passes through one tensor.
    """
    images = probes(inputs)
    trace = _Trace(dict(model.named_parameters()), images)
    times: list[int] = []

    def note(number: int, x: Tensor, affine: Affine) -> Tensor:
        times.append(trace.time)
        return OfBatch()(number, x, affine)

    reached: list[tuple[str, int]] = []
    with conditions(note), ExitStack() as hooks:
        for name in blocks or ():
            hooks.callback(_watch(model, name, trace, reached).remove)
        with trace:
            output = call(model, images)
    trace.finish(output)
    missing = set(blocks or ()) - {name for name, _ in reached}
    if missing:
        raise TrainfreeError(f"blocks: {min(missing)!r} was not executed")
    return trace.structure(times, sorted(reached, key=lambda end: end[1]))


def _watch(
    model: nn.Module, name: str, trace: _Trace, reached: list[tuple[str, int]]
) -> torch.utils.hooks.RemovableHandle:
    def hook(*_: Any) -> None:
        if name not in [known for known, _ in reached]:
            reached.append((name, trace.time))

    try:
        return model.get_submodule(name).register_forward_hook(hook)
    except AttributeError:
        known = ", ".join(list(dict(model.named_children()))[:8])
        raise TrainfreeError(
            f"blocks: the model has no submodule {name!r}; it has {known} …"
        ) from None


class _Trace(TorchDispatchMode):
    """Notes each operation; tensors are told apart by their memory, which stays alive meanwhile."""

    def __init__(self, parameters: dict[str, nn.Parameter], images: Inputs) -> None:
        super().__init__()
        self._parameters = parameters
        self._derived = {_memory(x): frozenset([name]) for name, x in parameters.items()}
        self._alive: list[Any] = [images]
        self._maker = {_memory(tensor): 0 for tensor in tensors(images)}
        self._batched = set(self._maker)  # with zeros in the images' number and what follows
        self._labels: Counter[Any] = Counter()
        self._numbers = {kind: count() for kind in ("product", "activation", "layer")}
        self._axes: dict[tuple[int, ...], int] = {}
        self._fresh: set[int] = set()
        self.operations: dict[int, Operation] = {}
        self.products: dict[int, Product] = {}
        self.activations: dict[int, Activation] = {}
        self.layers: dict[int, tuple[Layout, int]] = {}
        self.used: set[str] = set()
        self.biases: set[str] = set()
        self.flops = 0
        self.output: Any = None
        self.values = 0
        self.strides: list[int] = []
        self.last = 0
        self.time = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        self.time += 1
        read = list(operations.tensors_in(args, *kwargs.values()))
        sources = {self._maker[_memory(x)] for x in read if _memory(x) in self._maker}
        is_activation = operations.is_activation(packet, args, kwargs)
        if is_activation:
            self._activate(args[0])
        made = func(*args, **kwargs)
        self._follow(func, read, sources, made, is_activation, args)
        if packet in operations.PRODUCTS:
            self._multiply(packet, args, made, read)
        elif packet in operations.NORMALISATIONS:
            self._layer(made[0], operations.norm_channel_axis(packet, made[0]))
        elif packet in operations.POOLS:
            self._layer(_first(made), 1)
        elif is_activation:
            output = _first(made)
            self._layer(output, self._axis(output))
        elif packet in operations.JOINS:
            self._add_bias(read, made)
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **kwargs, out_val=made)
        if sources and operations.has_stride(packet, args):
            self.strides.append(self.time)
        return made

    def _follow(
        self,
        func: Any,
        read: list[Tensor],
        sources: set[int],
        made: Any,
        is_activation: bool,
        args: tuple[Any, ...],
    ) -> None:
        """Note which values an operation reads and makes."""
        packet = func.overloadpacket
        written = list(operations.tensors_in(made))
        self._alive += [read, written]
        if batched := any(_memory(x) in self._batched for x in read):
            self._batched |= {_memory(x) for x in written}
        if packet in operations.MAKES_ANEW:
            return
        label = (func, self._labels[func])
        self._labels[func] += 1
        if sources:
            for x in written:
                self._maker[_memory(x)] = self.time
            joins = packet in operations.JOINS and len(sources) > 1
            is_pool = operations.is_global_pool(packet, args, made)
            self.values += sum(x.numel() for x in written)
            self.operations[self.time] = Operation(label, sources, joins, is_activation, is_pool)
            self.last = self.time
        if batched:
            return
        names = frozenset().union(*(self._derived.get(_memory(x), frozenset()) for x in read))
        for x in written if names else ():
            self._derived.setdefault(_memory(x), names)

    def _activate(self, x: Tensor) -> None:
        number, layout = next(self._numbers["activation"]), self._layout(x)
        if layout is not None:
            self.activations[number] = Activation(layout, x.numel() // PROBES, self.time)

    def _multiply(self, packet: Any, args: tuple[Any, ...], made: Any, read: list[Tensor]) -> None:
        number, output = next(self._numbers["product"]), _first(made)
        bias = operations.bias_of(packet, args)
        axis: int | None = None
        for factor, is_right in operations.factors(packet, args):
            name = self._weight(factor)
            if name is None:
                continue
            self.used.add(name)
            axis = operations.channel_axis(packet, output, is_right)
            layout = self._layout(output)
            if layout is not None:
                self.products[number] = Product(name, layout, axis)
            if bias is None:
                self._fresh.add(_memory(output))
        self._layer(output, axis)
        if bias is not None:
            self.biases |= self._derived.get(_memory(bias), frozenset())
            if packet is operations.aten.addmm and _memory(bias) in self._derived:
                self.flops += 2 * output.numel()

    def _layout(self, x: Tensor) -> Layout | None:
        return find_layout(x) or (constant_layout(x) if _memory(x) in self._batched else None)

    def _add_bias(self, read: list[Tensor], made: Any) -> None:
        """Note a bias that is added in a step of its own, as linear layers do for some inputs."""
        names = [self._derived.get(_memory(x), frozenset()) for x in read]
        if len(read) == 2 and any(_memory(x) in self._fresh for x in read):
            found = [n for n, x in zip(names, read, strict=True) if n and x.dim() == 1]
            if found:
                self.biases |= found[0]
                self.flops += 2 * _first(made).numel()

    def _weight(self, factor: Tensor) -> str | None:
        """Return the parameter of two or more dimensions that a factor is, or is computed from."""
        names = self._derived.get(_memory(factor), frozenset())
        if len(names) > 1:  # a weight as the product of direction and length, say
            size = factor.numel()
            names = frozenset(n for n in names if self._parameters[n].numel() == size)
        matrices = [name for name in names if self._parameters[name].dim() > 1]
        return min(matrices, default=None)

    def _layer(self, output: Tensor, channels: int | None) -> None:
        """Count an operation; a product without a weight has no channels and is no layer."""
        number = next(self._numbers["layer"])
        if channels is None:
            return
        self._axes[tuple(output.shape)] = channels
        if (layout := self._layout(output)) is not None:
            self.layers[number] = (layout, channels)

    def _axis(self, output: Tensor) -> int:
        """Return the axis of the channels of an activation: that of the layer it follows."""
        known = self._axes.get(tuple(output.shape))
        if known is not None:
            return known
        if output.dim() == 3:  # tokens: what made them may have been flat
            flat = (prod(output.shape[:-1]), output.shape[-1])
            return 2 if self._axes.get(flat) == 1 else 1
        return min(1, output.dim() - 1)

    def finish(self, output: Any) -> None:
        """Note the output, and which operation made it, or its first tensor."""
        self.output = output
        made = [self._maker.get(_memory(x)) for x in tree_leaves(output) if isinstance(x, Tensor)]
        if made:
            self.last = made[0] or 0

    def structure(self, normalisations: list[int], reached: list[tuple[str, int]]) -> Structure:
        """Return what was found, with ends of blocks at submodules where these are known."""
        cuts = cuts_of(self.operations, self.last)
        times = [time for _, time in reached] or ends_of(self.operations, cuts)
        labels: list[Label | str] = [name for name, _ in reached]
        labels = labels or [self.operations[time].label for time in times]
        pools = [time for time in cuts if self.operations[time].is_pool]
        return Structure(
            products=self.products,
            activations=self.activations,
            layers=self.layers,
            weights=tuple(name for name in self._parameters if name in self.used),
            biases=tuple(name for name in self._parameters if name in self.biases),
            flops=self.flops // (2 * PROBES),
            normalisations=tuple(normalisations),
            strides=tuple(self.strides),
            ends=tuple(labels),
            end_times=tuple(times),
            pool=self.operations[pools[-1]].label if pools else None,
            reaches=self.last > 0,
            values=self.values // PROBES,
            output=self.output,
        )


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _first(made: Any) -> Tensor:
    return made if isinstance(made, Tensor) else made[0]
