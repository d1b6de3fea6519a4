"""The Fisher information of the first entries of a module's parameter tensors (VKDNW).

The derivative of an image's logits with respect to one entry of a parameter is the product of two:
how the outputs of the functions that read the parameter depend on the entry, found by
differentiating each of them forward on its own, and how the logits depend on these outputs, found
by going back once for each class. No gradient of a whole parameter is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.modules.conditions import Conditions, Normalisation, conditions
from trainfree.scoring.modules.inputs import Inputs, batch_size, call, part, tensors
from trainfree.scoring.modules.layout import Layout, constant_layout, find_layout
from trainfree.scoring.modules.structure import probes

IMAGES = 16
TENSORS = 128


def first_entry_fisher(
    model: nn.Module,
    inputs: Inputs,
    normalise: Normalisation,
    logits: Callable[[Any], Tensor],
) -> Tensor:
    """Return F = mean over the first images of Jᵀ (diag p − p pᵀ) J, (P, P) float64.

    J (classes, P) is the Jacobian of an image's logits with respect to the first entry of each of
    the first 128 parameter tensors, p its class probabilities.

    Parameters
    ----------
    normalise
        By fixed statistics, so that an image's logits are its own.
    logits
        Returns (B, classes) of the output.
    """
    few = part(inputs, slice(None, IMAGES))
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    names = list(parameters)[:TENSORS]
    layouts = _layouts(model, probes(inputs), parameters, names, normalise)
    leaves = {name: x.clone().requires_grad_() for name, x in parameters.items()}
    reader = _Reader({id(leaves[n]): i for i, n in enumerate(names)}, few, layouts)
    with torch.enable_grad(), conditions(normalise) as reader.conditions:
        with reader:
            output = logits(call(model, few, leaves))
        jacobian = _jacobian(output, reader.readings, len(names))
    probability = torch.softmax(output.detach().to(torch.float64), dim=1)
    weighted = probability[:, :, None] * jacobian
    mean = weighted.sum(dim=1)
    per_image = jacobian.mT @ weighted - mean[:, :, None] * mean[:, None, :]
    return per_image.mean(dim=0)


@dataclass(frozen=True)
class _Slope:
    """A derivative of an output, (images, places), at the places where it is not zero.

    An entry of a convolution moves one of its channels: the rest would fill the memory.
    """

    places: Tensor
    values: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> _Slope:
        """Return the slope with these (images, all places)."""
        places = rows.any(dim=0).nonzero()[:, 0]
        return cls(places, rows[:, places])

    def along(self, adjoint: Tensor) -> Tensor:
        """Return Σ over places of adjoint times slope, (images,)."""
        return (adjoint[:, self.places] * self.values).sum(dim=1)


@dataclass(frozen=True)
class _Reading:
    """How an output of a function, images first, depends on the first entries it reads."""

    edge: GradientEdge
    layout: Layout
    slopes: dict[int, _Slope]


def _jacobian(logits: Tensor, readings: list[_Reading], entries: int) -> Tensor:
    """Return J of each image, (B, classes, P) float64; zero for what no path joins."""
    images, classes = logits.shape
    jacobian = torch.zeros(images, classes, entries, dtype=torch.float64, device=logits.device)
    edges = [reading.edge for reading in readings]
    if not edges or not logits.requires_grad:
        return jacobian
    for label in range(classes):
        found: Sequence[Tensor | None] = torch.autograd.grad(
            logits[:, label].sum(), edges, retain_graph=True, allow_unused=True
        )
        for reading, adjoint in zip(readings, found, strict=True):
            if adjoint is None:
                continue
            rows = reading.layout.images_first(adjoint).flatten(1)
            for entry, slope in reading.slopes.items():
                jacobian[:, label, entry] += slope.along(rows)
    return jacobian


def _layouts(
    model: nn.Module,
    images: Inputs,
    parameters: dict[str, Tensor],
    names: list[str],
    normalise: Normalisation,
) -> list[Layout | None]:
    reader = _Reader({id(parameters[n]): i for i, n in enumerate(names)}, images, None)
    with torch.no_grad(), conditions(normalise) as reader.conditions, reader:
        call(model, images, parameters)
    return reader.layouts


class _Reader(TorchFunctionMode):
    """Notes what functions that read both a parameter and the images make of them.

    What is computed of parameters alone (a transposed weight, say) is followed: it depends on the
    entry itself, and the function that brings it together with the images is what counts.

    Parameters
    ----------
    entries
        Places of parameters by the identity of their tensors.
    images
        The inputs.
    layouts
        Where images are in the outputs, in their order; without them they are found.
    """

    def __init__(
        self, entries: dict[int, int], images: Inputs, layouts: list[Layout | None] | None
    ) -> None:
        super().__init__()
        self._known, self._images = layouts, batch_size(images)
        self._slopes: dict[int, dict[int, Tensor | None]] = {
            key: {entry: None} for key, entry in entries.items()
        }
        self._seeing = {id(x) for x in tensors(images)}
        self._alive: list[Any] = [images]
        self.conditions: Conditions
        self.layouts: list[Layout | None] = []
        self.readings: list[_Reading] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        entries = {entry for x in read for entry in self._slopes.get(id(x), ())}
        sees = any(id(x) in self._seeing for x in read)
        slopes = []
        if entries and _works_in_place(func):
            with self.conditions.repeating(self.conditions.calls):
                slopes = self._slopes_of(func, args, kwargs, entries)
        call = self.conditions.calls
        made = func(*args, **kwargs)
        outputs = [x for x in tree_leaves(made) if isinstance(x, Tensor)]
        if entries and outputs and not _works_in_place(func):
            with self.conditions.repeating(call):
                slopes = self._slopes_of(func, args, kwargs, entries)
        self._alive += [read, outputs]
        if sees:
            self._seeing |= {id(x) for x in outputs}
        for place, output in enumerate(outputs):
            of_output = {entry: found[place] for entry, found in slopes if found[place] is not None}
            if not of_output:
                continue
            if sees:
                self._note(output, of_output)
            else:
                self._slopes[id(output)] = of_output
        return made

    def _note(self, output: Tensor, slopes: dict[int, Tensor | None]) -> None:
        if self._known is None:
            self.layouts.append(find_layout(output) or constant_layout(output))
            return
        if len(self.layouts) == len(self._known):
            raise UndefinedScoreError("what the model executes depends on the images")
        layout = self._known[len(self.layouts)]
        self.layouts.append(layout)
        if layout is None or not output.requires_grad:
            return
        layout.require(output, self._images)
        rows = {
            entry: _Slope.of(layout.images_first(slope).flatten(1))
            for entry, slope in slopes.items()
            if slope is not None
        }
        self.readings.append(_Reading(get_gradient_edge(output), layout, rows))

    def _slopes_of(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], entries: set[int]
    ) -> list[tuple[int, list[Tensor | None]]]:
        """Return for each entry the derivatives of the function's outputs, one entry at a time."""
        call = self.conditions.calls
        found: list[tuple[int, list[Tensor | None]]] = []
        for entry in sorted(entries):

            def dual(x: Any, entry: int = entry) -> Any:
                if not isinstance(x, Tensor):
                    return x
                known = self._slopes.get(id(x), {})
                changed = x.detach().clone() if _works_in_place(func) else x.detach()
                if entry not in known:
                    return changed
                slope = known[entry]
                changed = changed.contiguous()  # a slope has its own numbers where x repeats some
                return forward_ad.make_dual(changed, _first(x) if slope is None else slope)

            with torch.no_grad(), forward_ad.dual_level(), self.conditions.repeating(call):
                made = func(*tree_map(dual, args), **tree_map(dual, kwargs))
                outputs = [x for x in tree_leaves(made) if isinstance(x, Tensor)]
                slopes = [forward_ad.unpack_dual(x).tangent for x in outputs]
                found.append((entry, [None if s is None else s.clone() for s in slopes]))
        return found


def _first(x: Tensor) -> Tensor:
    """Return the direction of a tensor's first entry."""
    direction = torch.zeros_like(x, memory_format=torch.contiguous_format)
    direction.flatten()[:1] = 1
    return direction


def _works_in_place(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    return (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
