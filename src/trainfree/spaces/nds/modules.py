"""The networks of NDS as torch modules, with the initial weights of the published code.

Sources: facebookresearch/unnas (``pycls/models/nas``, the cells) and facebookresearch/pycls
(``pycls/models/anynet.py``, the stages), read for their facts. Cells keep PyTorch's own initial
weights; stages draw convolutions from N(0, 2 / (k² · channels out)) and the classifier from
N(0, 0.01²). There is no dropping of paths and no auxiliary classifier in what is scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from trainfree.errors import ArchitectureError
from trainfree.spaces.nds.networks import Cell, CellNetwork, Network, StagedNetwork

SCORED_STEM_WIDTH = 12
"""Channels of the stem that the NASWOT paper's code puts before every network of stages."""


def build(network: Network, classes: int, *, imagenet: bool = False) -> nn.Module:
    """Return a new module of a network: images (B, 3, H, W) in, logits (B, classes) out.

    Parameters
    ----------
    imagenet
        Whether cells get the stem of ImageNet, three strides of two.
    """
    if isinstance(network, StagedNetwork):
        stem = [_convolution(3, network.widths[0], 3, network.strides[0]), nn.ReLU()]
        return _drawn(Stages(network, nn.Sequential(*stem), network.widths[0], 1, classes))
    return Cells(network, classes, imagenet)


def build_as_scored(network: Network, classes: int, *, imagenet_stem: bool) -> nn.Module:
    """Return stages as the code of the NASWOT paper builds them, not as they were trained.

    Before all stages, the first included, comes a stem of 12 channels for ImageNet: a convolution
    of 7 × 7 pixels and a max pooling, both with stride two, for names with ``ResN`` in them
    (``imagenet_stem``), else a convolution of 3 × 3 pixels with stride two
    (BayesWatch/nas-without-training, nasspace.py).

    Raises
    ------
    ArchitectureError
        For bottlenecks: that code takes the number of groups for their width and divides the stem's
        bottleneck, which has no channels, into none, so it stops at every network.
    """
    if not isinstance(network, StagedNetwork) or network.block == "res_bottleneck_block":
        raise ArchitectureError(
            f"{network}: the published code builds plain and residual blocks in another way than "
            "they were trained, and no others: it stops at bottlenecks, whose first stage has no "
            "channels"
        )
    width = SCORED_STEM_WIDTH
    if imagenet_stem:
        layers = [_convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
    else:
        layers = [_convolution(3, width, 3, 2), nn.ReLU()]
    return _drawn(Stages(network, nn.Sequential(*layers), width, 0, classes))


def _convolution(
    before: int, after: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution without bias that keeps the size but for its stride, normalised."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    )


class Stages(nn.Module):
    """Blocks of one kind behind a stem, and a classifier of their mean."""

    def __init__(
        self, network: StagedNetwork, stem: nn.Module, width: int, first: int, classes: int
    ) -> None:
        super().__init__()
        self.stem, blocks = stem, []
        for stage in range(first, len(network.depths)):
            for place in range(network.depths[stage]):
                stride = 1 if place else network.strides[stage]
                blocks.append(_block(network, stage, width, stride))
                width = network.widths[stage]
        self.blocks = nn.ModuleList(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)
        self.blocks_end = ["stem", *(f"blocks.{place}" for place in range(len(blocks)))]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits, (B, classes)."""
        found: torch.Tensor = self.stem(images)
        for block in self.blocks:
            found = block(found)
        logits: torch.Tensor = self.classifier(self.pool(found).flatten(1))
        return logits


def _block(network: StagedNetwork, stage: int, before: int, stride: int) -> nn.Module:
    after = network.widths[stage]
    if network.block == "res_bottleneck_block":
        inner = network.inner_width(stage)
        body = nn.Sequential(
            *_convolution(before, inner, 1),
            nn.ReLU(),
            *_convolution(inner, inner, 3, stride, network.groups[stage]),
            nn.ReLU(),
            *_convolution(inner, after, 1),
        )
        return Residual(body, before, after, stride)
    body = nn.Sequential(
        *_convolution(before, after, 3, stride), nn.ReLU(), *_convolution(after, after, 3)
    )
    if network.block == "double_plain_block":
        return nn.Sequential(*body, nn.ReLU())
    return Residual(body, before, after, stride)


class Residual(nn.Module):
    """A ReLU of the sum of a body and its input, projected where the shapes differ."""

    def __init__(self, body: nn.Module, before: int, after: int, stride: int) -> None:
        super().__init__()
        same = before == after and stride == 1
        self.projection: nn.Module = (
            nn.Identity() if same else _convolution(before, after, 1, stride)
        )
        self.body, self.relu = body, nn.ReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features, (B, after, H, W)."""
        found: torch.Tensor = self.relu(self.projection(features) + self.body(features))
        return found


def _drawn(module: nn.Module) -> nn.Module:
    """Draw the weights anew as pycls does."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.01)
            nn.init.zeros_(layer.bias)
    return module


class Cells(nn.Module):
    """A stack of cells, each of which sees the two before it."""

    def __init__(self, network: CellNetwork, classes: int, imagenet: bool) -> None:
        super().__init__()
        width = network.width
        if imagenet:
            self.stem = nn.Sequential(
                *_convolution(3, width // 2, 3, 2),
                nn.ReLU(),
                *_convolution(width // 2, width, 3, 2),
            )
            self.second: nn.Module = nn.Sequential(nn.ReLU(), *_convolution(width, width, 3, 2))
        else:
            self.stem = _convolution(3, 3 * width, 3)
            self.second = nn.Identity()
        before = (width, width) if imagenet else (3 * width, 3 * width)
        halved, cells = imagenet, []
        reductions = {network.depth // 3, 2 * network.depth // 3}
        for place in range(network.depth):
            reduces = place in reductions
            width *= 2 if reduces else 1
            cell = network.reduction if reduces else network.normal
            cells.append(CellModule(cell, before, width, reduces, halved))
            before, halved = (before[1], len(cell.output) * width), reduces
        self.cells = nn.ModuleList(cells)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(before[1], classes)
        ends = ["stem", "second"] if imagenet else ["stem"]
        self.blocks_end = [*ends, *(f"cells.{place}" for place in range(len(cells)))]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits, (B, classes)."""
        first: torch.Tensor = self.stem(images)
        last: torch.Tensor = self.second(first)
        for cell in self.cells:
            first, last = last, cell(first, last)
        logits: torch.Tensor = self.classifier(self.pool(last).flatten(1))
        return logits


class CellModule(nn.Module):
    """A cell: its two inputs brought to one shape, operations, sums and a concatenation.

    Parameters
    ----------
    before
        Channels of the two inputs.
    reduces
        Whether operations on the inputs have a stride of two.
    halved
        Whether the second input is half as large as the first.
    """

    def __init__(
        self, cell: Cell, before: tuple[int, int], width: int, reduces: bool, halved: bool
    ) -> None:
        super().__init__()
        self.first = (
            FactorizedReduction(before[0], width) if halved else _rectified(before[0], width, 1)
        )
        self.second = _rectified(before[1], width, 1)
        self.operations = nn.ModuleList(
            OPERATIONS[name](width, 2 if reduces and place < 2 else 1)
            for name, place in zip(cell.operations, cell.inputs, strict=True)
        )
        self.inputs, self.output = cell.inputs, cell.output

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the concatenated nodes, (B, nodes · width, H, W)."""
        states = [self.first(first), self.second(second)]
        for node in range(0, len(self.inputs), 2):
            left, right = (
                self.operations[place](states[self.inputs[place]]) for place in (node, node + 1)
            )
            states.append(left + right)
        return torch.cat([states[place] for place in self.output], dim=1)


def _rectified(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), *_convolution(before, after, kernel, stride))


class FactorizedReduction(nn.Module):
    """Halves the size by two convolutions of 1 × 1 pixels, the second of them one pixel aside."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.straight = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.aside = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0.0)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features, (B, after, H / 2, W / 2)."""
        features = self.relu(features)
        moved = self.pad(features)[:, :, 1:, 1:]
        both = torch.cat([self.straight(features), self.aside(moved)], dim=1)
        found: torch.Tensor = self.norm(both)
        return found


class Zero(nn.Module):
    """Zeros of the shape that an operation of this stride gives."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return zeros."""
        return features[:, :, :: self.stride, :: self.stride].mul(0.0)


def _skip(width: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduction(width, width)


def _average(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda width, stride: nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)


def _largest(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda width, stride: nn.MaxPool2d(kernel, stride, kernel // 2)


def _dense(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda width, stride: _rectified(width, width, kernel, stride)


def _crossed(kernel: int) -> Callable[[int, int], nn.Module]:
    """Return what makes a row of pixels convolved, then a column."""

    def make(width: int, stride: int) -> nn.Module:
        margin = kernel // 2
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, (1, kernel), (1, stride), (0, margin), bias=False),
            nn.Conv2d(width, width, (kernel, 1), (stride, 1), (margin, 0), bias=False),
            nn.BatchNorm2d(width),
        )

    return make


def _depthwise(kernel: int, dilation: int, times: int) -> Callable[[int, int], nn.Module]:
    """Return what makes depthwise separable convolutions, ``times`` of them in a row."""

    def make(width: int, stride: int) -> nn.Module:
        layers: list[nn.Module] = []
        for time in range(times):
            margin, step = dilation * (kernel // 2), 1 if time else stride
            layers += [
                nn.ReLU(),
                nn.Conv2d(width, width, kernel, step, margin, dilation, width, bias=False),
                *_convolution(width, width, 1),
            ]
        return nn.Sequential(*layers)

    return make


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda width, stride: Zero(stride),
    "skip_connect": _skip,
    "avg_pool_3x3": _average(3),
    "max_pool_3x3": _largest(3),
    "max_pool_5x5": _largest(5),
    "max_pool_7x7": _largest(7),
    "conv_1x1": _dense(1),
    "conv_3x3": _dense(3),
    "conv_3x1_1x3": _crossed(3),
    "conv_7x1_1x7": _crossed(7),
    "sep_conv_3x3": _depthwise(3, 1, 2),
    "sep_conv_5x5": _depthwise(5, 1, 2),
    "sep_conv_7x7": _depthwise(7, 1, 2),
    "dil_conv_3x3": _depthwise(3, 2, 1),
    "dil_conv_5x5": _depthwise(5, 2, 1),
    "dil_sep_conv_3x3": _depthwise(3, 2, 2),
}
