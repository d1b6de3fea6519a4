"""The network whose weights all pairs of cells share (melodyguan/enas, ``micro_child.py``).

A stem, stacked cells and a classifier. Before a reduction cell the image is halved, and all
operations of a cell keep its size. Every operation of a node has weights for each state that it
may read. A forward pass computes the operations of one pair and no others. Normalisation takes the
statistics of the batch, in rewards too, since no moving ones are of one pair.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.errors import ConfigError
from trainfree.spaces.nds.networks import Cell
from trainfree.weight_sharing.convolutional.auxiliary import LEAST_SIDE, AuxiliaryHead
from trainfree.weight_sharing.convolutional.cell import INPUTS, CellPair

STEM_FACTOR = 3
"""Channels of the stem in those of the first cell."""
EPSILON = 1e-5


class Logits(NamedTuple):
    """What a network says of images, (B, classes), and its auxiliary classifier, if it has one."""

    main: Tensor
    auxiliary: Tensor | None


def reduction_places(cells: int) -> tuple[int, int]:
    """Return the places of the two reduction cells, at a third and at two thirds."""
    return cells // 3, 2 * cells // 3


def check_sizes(cells: int, image_size: int, auxiliary: bool) -> None:
    """Check that cells can be stacked on images of a size.

    Raises
    ------
    ConfigError
        Saying which of them is too small.
    """
    first, second = reduction_places(cells)
    if first == second:
        raise ConfigError(f"cells: expected at least 2, two of them reductions, found {cells}")
    if image_size % 4:
        raise ConfigError(
            f"images of {image_size} pixels: expected a multiple of 4, they are halved twice"
        )
    if auxiliary and (image_size // 4 < LEAST_SIDE or second + 1 >= cells):
        raise ConfigError(
            f"auxiliary: expected images of at least {4 * LEAST_SIDE} pixels and a cell behind the "
            f"second reduction, found {image_size} pixels and {cells} cells; leave it out"
        )


class SuperNetwork(nn.Module):
    """Shared weights of all pairs of cells.

    Parameters
    ----------
    nodes
        Of each cell.
    cells
        Number of cells, reductions included.
    channels
        Of the first cell; each reduction doubles them.
    classes
        Outputs.
    image_size
        Pixels of a side.
    auxiliary
        Whether a second classifier behind the second reduction helps the training.
    generator
        Of the initial weights: He-normal, scales 1, shifts 0.

    Raises
    ------
    ConfigError
        When cells cannot be stacked so.
    """

    def __init__(
        self,
        *,
        nodes: int,
        cells: int,
        channels: int,
        classes: int,
        image_size: int,
        auxiliary: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        check_sizes(cells, image_size, auxiliary)
        self.reductions = reduction_places(cells)
        width = STEM_FACTOR * channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), _norm(width))
        before, width = (width, width), channels
        halvings, stacked = nn.ModuleDict(), []
        for place in range(cells):
            reduces = place in self.reductions
            if reduces:
                width *= 2
                halvings[str(place)] = FactorizedReduction(before[1], width)
                before = (before[1], width)
            stacked.append(SharedCell(nodes, before, width, reduces=reduces))
            before = (before[1], width)
        self.halvings, self.cells = halvings, nn.ModuleList(stacked)
        self.auxiliary = AuxiliaryHead(width, classes, image_size // 4) if auxiliary else None
        self.classifier = nn.Linear(width, classes, bias=False)
        _draw(self, generator)

    def forward(self, images: Tensor, pair: CellPair, kept: Tensor | None = None) -> Logits:
        """Return what the network of a pair says of images, (B, 3, y, x).

        Parameters
        ----------
        kept
            Factors of the features before the classifier, (B, features): dropout.
        """
        earlier = last = self.stem(images)
        said = None
        for place, cell in enumerate(self.cells):
            reduces = place in self.reductions
            if reduces:
                earlier, last = last, self.halvings[str(place)](last)
            chosen = pair.reduction if reduces else pair.normal
            earlier, last = last, cell(earlier, last, chosen)
            if self.auxiliary is not None and place == self.reductions[1] + 1 and self.training:
                said = self.auxiliary(last)
        features = F.relu(last).mean(dim=(2, 3))
        if kept is not None:
            features = features * kept
        return Logits(self.classifier(features), said)


class SharedCell(nn.Module):
    """A cell of any pair: its inputs brought to its shape, its nodes, and its loose ends.

    Parameters
    ----------
    before
        Channels of its two inputs.
    width
        Of its states and its output.
    reduces
        Whether the first input is twice as large as the second.
    """

    def __init__(self, nodes: int, before: tuple[int, int], width: int, *, reduces: bool) -> None:
        super().__init__()
        self.first: nn.Module = (
            nn.Sequential(nn.ReLU(), FactorizedReduction(before[0], width))
            if reduces
            else _calibration(before[0], width)
        )
        self.second = _calibration(before[1], width)
        self.nodes = nn.ModuleList(
            nn.ModuleList(SharedOperations(INPUTS + node, width) for _ in range(2))
            for node in range(nodes)
        )
        self.ends = nn.Parameter(torch.empty(INPUTS + nodes, width, width, 1, 1))
        self.norm = _norm(width)

    def forward(self, first: Tensor, second: Tensor, cell: Cell) -> Tensor:
        """Return the cell's output, (B, width, y, x)."""
        states = [self.first(first), self.second(second)]
        for node, sides in enumerate(self.nodes):
            assert isinstance(sides, nn.ModuleList)
            one, other = (
                side(states[cell.inputs[place]], cell.inputs[place], cell.operations[place])
                for place, side in enumerate(sides, start=2 * node)
            )
            states.append(one + other)
        found = F.relu(torch.cat([states[state] for state in cell.output], dim=1))
        weight = torch.cat([self.ends[state] for state in cell.output], dim=1)
        normed: Tensor = self.norm(F.conv2d(found, weight))
        return normed


class SharedOperations(nn.Module):
    """The operations of one side of a node, with weights for each state that it may read."""

    def __init__(self, states: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {
                f"sep_conv_{side}x{side}": nn.ModuleList(
                    SharedSeparable(states, width, side) for _ in range(2)
                )
                for side in (3, 5)
            }
        )

    def forward(self, x: Tensor, state: int, operation: str) -> Tensor:
        """Return what an operation makes of a state's features, of the same shape."""
        if operation == "skip_connect":
            return x
        if operation == "avg_pool_3x3":
            return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)
        if operation == "max_pool_3x3":
            return F.max_pool2d(x, 3, 1, padding=1)
        convolutions = self.convolutions[operation]
        assert isinstance(convolutions, nn.ModuleList)
        for convolution in convolutions:
            x = convolution(x, state)
        return x


class SharedSeparable(nn.Module):
    """A ReLU, a separable convolution and a normalisation, with weights for each state."""

    def __init__(self, states: int, width: int, side: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(states, width, 1, side, side))
        self.pointwise = nn.Parameter(torch.empty(states, width, width, 1, 1))
        self.scale = nn.Parameter(torch.ones(states, width))
        self.shift = nn.Parameter(torch.zeros(states, width))

    def forward(self, x: Tensor, state: int) -> Tensor:
        """Return features of the same shape, by the weights for a state."""
        depthwise = self.depthwise[state]
        margin = depthwise.shape[-1] // 2
        x = F.conv2d(F.relu(x), depthwise, padding=margin, groups=len(depthwise))
        x = F.conv2d(x, self.pointwise[state])
        scale, shift = self.scale[state], self.shift[state]
        return F.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)


class FactorizedReduction(nn.Module):
    """Halves the size by two convolutions of 1 × 1 pixels, the second of them one pixel aside."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.straight = nn.Conv2d(before, width // 2, 1, stride=2, bias=False)
        self.aside = nn.Conv2d(before, width // 2, 1, stride=2, bias=False)
        self.norm = _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return features, (B, width, y / 2, x / 2)."""
        both = [self.straight(x), self.aside(x[:, :, 1:, 1:])]
        found: Tensor = self.norm(torch.cat(both, dim=1))
        return found


def _calibration(before: int, width: int) -> nn.Module:
    if before == width:
        return nn.Identity()
    return nn.Sequential(nn.ReLU(), nn.Conv2d(before, width, 1, bias=False), _norm(width))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=EPSILON, track_running_stats=False)


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """Draw convolutions and classifiers from N(0, 2 / inputs of a unit)."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.endswith("ends"):  # one of its rows reads one state's features
                weight.normal_(0.0, math.sqrt(2.0 / weight.shape[2]), generator=generator)
            elif weight.dim() in (4, 5):
                inputs = math.prod(weight.shape[-3:])
                weight.normal_(0.0, math.sqrt(2.0 / inputs), generator=generator)
            elif weight.dim() == 2 and not name.endswith(("scale", "shift")):
                weight.normal_(0.0, math.sqrt(2.0 / weight.shape[1]), generator=generator)
