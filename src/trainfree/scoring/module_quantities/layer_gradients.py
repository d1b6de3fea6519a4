"""Gradients of single images layer by layer, from one pass there and back for all images.

The gradient of an image with respect to a layer's weight is Aᵀ X: X (positions, inputs) is what the
weight is multiplied with, A (positions, outputs) how the scalar depends on the products. Where
there are few positions, products of two images' gradients are had without making any.

That holds for weights that are factors of convolutions and matrix products and nothing else; other
modules go image by image (:mod:`trainfree.scoring.module_quantities.per_image`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import nan, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from trainfree.scoring.modules import operations
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.dataflow import Label
from trainfree.scoring.modules.inputs import Inputs, batch_size, call
from trainfree.scoring.modules.layout import Layout, find_layout
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import probes

_IMAGES_FIRST = Layout(0, 1, True)
_MOST_POSITIONS = 2048
"""Of all images together, where products are had without gradients."""
_NUMBERS_AT_ONCE = 2**26

Place = tuple[str, int, tuple[int, ...]]
"""A parameter, and which part of it a factor is: offset and shape."""


@dataclass(frozen=True)
class Use:
    """A product by a weight: which part of which parameter, and where the images are in both."""

    place: Place
    layout: Layout
    groups: int = 1
    window: tuple[tuple[int, ...], ...] | None = None
    """Kernel, stride, padding and dilation of a convolution."""


@torch.no_grad()
def uses_of(
    model: nn.Module, inputs: Inputs, parameters: dict[str, nn.Parameter], normalise: Normalisation
) -> dict[int, Use] | None:
    """Return the products by the parameters, by number; None where there is any other use."""
    finder = _Finder(parameters)
    images = probes(inputs)
    with conditions(normalise), finder:
        call(model, images)
    sizes: defaultdict[str, int] = defaultdict(int)
    for name, _, shape in {use.place for use in finder.uses.values()}:
        sizes[name] += prod(shape)
    overlap = any(size > parameters[name].numel() for name, size in sizes.items())
    return None if overlap or not finder.possible else finder.uses


class _Finder(TorchDispatchMode):
    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self._names = {x.untyped_storage().data_ptr(): name for name, x in parameters.items()}
        self._numbers = count()
        self._alive: list[Any] = []
        self.uses: dict[int, Use] = {}
        self.possible = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        self._alive.append(made)
        packet = func.overloadpacket
        if packet in operations.PRODUCTS:
            number = next(self._numbers)
            factors = operations.factors(packet, args)
            for factor, is_right in factors:
                if self._name(factor) is not None:
                    self._note(number, packet, args, factors[0][0], factor, is_right, made)
        else:
            read = list(operations.tensors_in(args, *kwargs.values()))
            names = {self._name(x) for x in read} - {None}
            written = {self._name(x) for x in operations.tensors_in(made)}
            self.possible &= not names or written == names  # a view of the parameter
        return made

    def _name(self, x: Tensor) -> str | None:
        return self._names.get(x.untyped_storage().data_ptr())

    def _note(
        self,
        number: int,
        packet: Any,
        args: tuple[Any, ...],
        given: Tensor,
        weight: Tensor,
        is_right: bool,
        made: Tensor,
    ) -> None:
        is_convolution = packet is operations.aten.convolution
        simple = packet in (operations.aten.mm, operations.aten.addmm) or (
            is_convolution and not args[6]
        )
        name = self._name(weight)
        if not (is_right and simple) or name is None or number in self.uses:
            self.possible = False
            return
        of_given, of_made = find_layout(given), find_layout(made)
        if of_given is None or of_made is None:
            self.possible &= not bool(given.any())  # zeros make no gradient
            return
        expected = _IMAGES_FIRST if is_convolution else of_made
        self.possible &= of_given == of_made == expected and of_made.axis == 0
        place = (name, int(weight.storage_offset()), tuple(weight.shape))
        if is_convolution:
            window = (tuple(weight.shape[2:]), *(tuple(args[i]) for i in (3, 4, 5)))
            self.uses[number] = Use(place, of_made, args[8], window)
        else:
            self.uses[number] = Use(place, of_made)


@dataclass
class Rows:
    """X and A of a weight in all its calls, on demand.

    Parameters
    ----------
    calls
        Use, what the weight was multiplied with, and the adjoint of the product.
    """

    calls: list[tuple[Use, Tensor, Tensor]] = field(default_factory=list)

    @property
    def images(self) -> int:
        """Number of images."""
        use, given, _ = self.calls[0]
        return given.shape[0] // use.layout.others

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Positions of an image in all calls, inputs and outputs of a group."""
        positions = 0
        for use, _, adjoint in self.calls:
            axis = 1 if use.window else adjoint.dim() - 1
            positions += adjoint.numel() // adjoint.shape[axis] // self.images
        use, given, adjoint = self.calls[0]
        channels = 1 if use.window else adjoint.dim() - 1
        inputs = given.shape[channels] // use.groups * prod(use.window[0] if use.window else ())
        return positions, inputs, adjoint.shape[channels] // use.groups

    def of(self, images: slice) -> tuple[Tensor, Tensor]:
        """Return X (B, groups, positions, inputs) and A (B, groups, positions, outputs)."""
        parts = [_rows(use, given, adjoint, images) for use, given, adjoint in self.calls]
        return torch.cat([x for x, _ in parts], dim=2), torch.cat([a for _, a in parts], dim=2)

    def gradients(self) -> Iterator[Tensor]:
        """Yield the gradients (B, numbers) part by part, so that few are in memory."""
        _, inputs, outputs = self.sizes
        at_once = max(1, _NUMBERS_AT_ONCE // (self.images * inputs * self.calls[0][0].groups))
        for start in range(0, outputs, at_once):
            part = slice(start, start + at_once)
            size = (self.images, self.calls[0][0].groups, min(at_once, outputs - start), inputs)
            made = self.calls[0][1].new_empty(size)
            few = max(1, _NUMBERS_AT_ONCE // max(1, prod(self.sizes[:2])))
            for first in range(0, self.images, few):
                images = slice(first, first + few)
                x, adjoint = self.of(images)
                made[images] = adjoint[..., part].mT @ x
            yield made.flatten(1)

    def agreement(self) -> float:
        """Return Σ over weights |Σ over images sign of the gradient|; NaN where one is NaN."""
        positions, _, _ = self.sizes
        if positions == 1:  # the sign of a product is that of its factors
            x, adjoint = (value[:, :, 0].transpose(0, 1) for value in self.of(slice(None)))
            if bool(x.isnan().any()) or bool(adjoint.isnan().any()):
                return nan
            agreed = adjoint.sign().mT @ x.sign()
            return float(agreed.abs().sum(dtype=torch.float64))
        total = 0.0
        for gradients in self.gradients():
            if bool(gradients.isnan().any()):
                return nan
            agreed = gradients.sign_().sum(dim=0)
            total += float(agreed.abs_().sum(dtype=torch.float64))
        return total

    def products(self) -> Tensor:
        """Return the products of all pairs of images' gradients, (B, B) float64."""
        positions, inputs, outputs = self.sizes
        total = torch.zeros(
            self.images, self.images, dtype=torch.float64, device=self.calls[0][1].device
        )
        if self.images * positions <= _MOST_POSITIONS and positions * (inputs + outputs) <= (
            inputs * outputs
        ):
            x, adjoint = self.of(slice(None))
            for group in range(x.shape[1]):
                of_x, of_adjoint = (value[:, group].flatten(0, 1) for value in (x, adjoint))
                pairs = (of_x @ of_x.T) * (of_adjoint @ of_adjoint.T)
                shape = (self.images, positions, self.images, positions)
                total += pairs.reshape(shape).sum(dim=(1, 3), dtype=torch.float64)
            return total
        for gradients in self.gradients():
            total += gradients @ gradients.T
        return total


def _rows(use: Use, given: Tensor, adjoint: Tensor, images: slice) -> tuple[Tensor, Tensor]:
    given, adjoint = use.layout.images_first(given), use.layout.images_first(adjoint)
    given, adjoint = given[images], adjoint[images]
    if use.window is None:
        x, a = (value.reshape(len(value), 1, -1, value.shape[-1]) for value in (given, adjoint))
        return x, a
    adjoint = adjoint.flatten(2).unflatten(1, (use.groups, -1)).mT
    return _windows(use, given, adjoint.shape[2]), adjoint


def _windows(use: Use, x: Tensor, positions: int) -> Tensor:
    """Return what a convolution sees, (B, groups, positions, inputs of a group)."""
    assert use.window is not None
    kernel, stride, padding, dilation = use.window
    padded = F.pad(x, [side for pad in reversed(padding) for side in (pad, pad)]).contiguous()
    steps = padded.stride()[2:]
    made = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    seen = padded.as_strided(
        (len(x), *made, x.shape[1], *kernel),
        (
            padded.stride(0),
            *(step * s for step, s in zip(steps, stride, strict=True)),
            padded.stride(1),
            *(step * d for step, d in zip(steps, dilation, strict=True)),
        ),
    )
    return seen.reshape(len(x), positions, use.groups, -1).transpose(1, 2)


class _Factors(Observer):
    def __init__(self, uses: dict[int, Use]) -> None:
        super().__init__()
        self._uses = uses
        self._args: tuple[Any, ...] = ()
        self.calls: list[tuple[Use, Tensor, GradientEdge]] = []

    def before_operation(self, label: Label, args: tuple[Any, ...]) -> None:
        """Remember the arguments of a product."""
        if label[0].overloadpacket in operations.PRODUCTS:
            self._args = (label[0].overloadpacket, args)

    def multiplied(self, number: int, output: Tensor) -> None:
        """Note what a weight was multiplied with and where the gradient comes by."""
        if number in self._uses and output.requires_grad:
            packet, args = self._args
            given = operations.factors(packet, args)[0][0].detach()
            self.calls.append((self._uses[number], given, get_gradient_edge(output)))


def layer_rows(
    model: nn.Module,
    inputs: Inputs,
    uses: dict[int, Use],
    normalise: Normalisation,
    of: Callable[[Any], Tensor],
) -> list[Rows] | None:
    """Return X and A of each weight for a number of the output, the sum of one for each image.

    None where a layer is given some of the images only.

    Parameters
    ----------
    normalise
        By fixed statistics, so that an image's output is its own.
    """
    factors = _Factors(uses)
    with torch.enable_grad(), conditions(normalise):
        with factors:
            output = call(model, inputs)
        value = of(output)
        edges = [edge for _, _, edge in factors.calls]
        images = batch_size(inputs)
        if any(len(given) != images * use.layout.others for use, given, _ in factors.calls):
            return None
        if not edges or not value.requires_grad:
            return []
        adjoints = torch.autograd.grad(value, edges, allow_unused=True)
    found: defaultdict[Place, Rows] = defaultdict(Rows)
    for (use, given, _), adjoint in zip(factors.calls, adjoints, strict=True):
        if adjoint is not None:
            found[use.place].calls.append((use, given, adjoint))
    return list(found.values())
