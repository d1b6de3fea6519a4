"""What each block of a module does to features and to gradients (AZ-NAS)."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.module_quantities.gradients import constants
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.inputs import Inputs, call, is_continuous, mapped
from trainfree.scoring.modules.observer import Ends
from trainfree.scoring.modules.structure import Structure
from trainfree.scoring.quantities.formulas import entropy, trainability


class _Entropies(Ends):
    def __init__(self, structure: Structure) -> None:
        super().__init__(structure)
        self.found: dict[int, float] = {}

    def reached(self, number: int, value: Tensor) -> None:
        """Work out the entropy of a block's features."""
        self.found[number] = entropy(_rows(value))


@torch.no_grad()
def block_entropies(
    model: nn.Module, inputs: Inputs, structure: Structure, normalise: Normalisation
) -> NDArray[np.float64]:
    """Return for stem and each block the entropy of its normalised principal component variances.

    NaN for features without variance.
    """
    ends = _Entropies(structure)
    with conditions(normalise), ends.on(model):
        call(model, inputs)
    return np.array([ends.found[number] for number in range(len(structure.ends))])


class _Edges(Ends):
    def __init__(self, structure: Structure) -> None:
        super().__init__(structure)
        self.shapes: dict[int, Tensor] = {}
        self.edges: dict[int, GradientEdge] = {}

    def passed_on(self, value: Tensor) -> Tensor:
        """Begin a graph at a value that knows nothing of the images, as zeros do not.

        What the next block passes back does not depend on that.
        """
        return value if value.requires_grad else value.detach().requires_grad_()

    def reached(self, number: int, value: Tensor) -> None:
        """Note where the gradient of a value comes by."""
        self.shapes[number] = _like(value)
        if value.requires_grad:
            self.edges[number] = get_gradient_edge(value)


def _like(value: Tensor) -> Tensor:
    """Return a tensor of the same shape that takes no memory."""
    return value.detach().new_zeros(1).expand(value.shape)


def block_trainabilities(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return for each block −σ − 1/(σ + 1e−6) + 2, from how it passes random gradients back."""
    ends = _Edges(structure)
    with torch.enable_grad(), conditions(normalise):
        parameters = None
        if is_continuous(inputs):
            parameters = constants(model)
            inputs = mapped(inputs, lambda x: x.detach().requires_grad_())
        with ends.on(model):
            output = call(model, inputs, parameters)
        found = [
            _trainability(ends, start, end, rng)
            for start, end in pairwise(range(len(structure.ends)))
        ]
    del output
    return np.array(found)


def _trainability(ends: _Edges, start: int, end: int, rng: np.random.Generator) -> float:
    shape = ends.shapes[end]
    if ends.edges.get(start) is not None and ends.edges[start] == ends.edges.get(end):
        return -inf
    rows = _channels_last(shape)
    signs = np.unpackbits(np.frombuffer(rng.bytes(-(-rows.numel() // 8)), np.uint8))
    signs = signs[: rows.numel()].reshape(rows.shape)
    outgoing = _channels_first(torch.from_numpy(signs).to(shape).mul_(2).sub_(1))
    incoming = None
    if start in ends.edges and end in ends.edges:
        (incoming,) = torch.autograd.grad(
            ends.edges[end], ends.edges[start], outgoing, retain_graph=True, allow_unused=True
        )
    if incoming is None:
        return trainability(None, None)
    if incoming.shape == outgoing.shape and bool((incoming == outgoing).all()):
        return -inf
    folded = _folded(incoming, outgoing)
    return trainability(_rows(folded), _rows(outgoing))


def _folded(incoming: Tensor, outgoing: Tensor) -> Tensor:
    """Return the gradient at the input with positions of one output position as channels."""
    if incoming.dim() == 4 and outgoing.dim() == 4:
        height, width = outgoing.shape[2:]
        stride = -(-incoming.shape[2] // height)
        if stride > 1:  # odd maps lack some positions of the last outputs
            missing = (
                0,
                stride * width - incoming.shape[3],
                0,
                stride * height - incoming.shape[2],
            )
            incoming = F.pixel_unshuffle(F.pad(incoming, missing), stride)
    if _rows(incoming).shape[0] != _rows(outgoing).shape[0]:
        raise UndefinedScoreError(
            f"a block makes {tuple(outgoing.shape)} of {tuple(incoming.shape)}: its output's "
            "positions are not those of its input"
        )
    return incoming


def _channels_last(value: Tensor) -> Tensor:
    """Return a feature map with its channels last; tokens (B, tokens, channels) have them there."""
    return value.movedim(1, -1) if value.dim() > 3 else value


def _channels_first(value: Tensor) -> Tensor:
    return value.movedim(-1, 1) if value.dim() > 3 else value


def _rows(value: Tensor) -> Tensor:
    """Return features as rows of channels, (B · positions, channels)."""
    return _channels_last(value).flatten(0, -2)
