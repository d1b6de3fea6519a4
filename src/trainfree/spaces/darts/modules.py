"""Networks of DARTS cells as torch modules (Liu et al., ICLR 2019; their published code).

Every operation has ReLUs of its own, in front of its convolutions. Classes have the published
names: the published hook of NASWOT finds ReLUs by them, and so finds ``ReLUConvBN`` too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainfree.spaces.darts.form import STEM_MULTIPLIER, Form, Layout, layouts, output_channels
from trainfree.spaces.darts.genotype import NONE, Cell, Genotype


class ReLUConvBN(nn.Sequential):
    """What brings the output of a cell before to a cell's width."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width))


class FactorizedReduce(nn.Module):
    """Two convolutions of one pixel in two, the second of the pixels that the first leaves out."""

    def __init__(self, before: int, width: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(before, width // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(before, width // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(width, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return half the image, (B, width, y / 2, x / 2)."""
        x = self.relu(x)
        out: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))
        return out


class Zero(nn.Module):
    """No connection."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class SepConv(nn.Sequential):
    """A separable convolution twice; the stride is the first one's."""

    def __init__(self, width: int, side: int, stride: int, affine: bool) -> None:
        super().__init__(
            *_separable(width, side, stride, 1, affine), *_separable(width, side, 1, 1, affine)
        )


class DilConv(nn.Sequential):
    """A separable convolution of every other pixel."""

    def __init__(self, width: int, side: int, stride: int, affine: bool) -> None:
        super().__init__(*_separable(width, side, stride, 2, affine))


def _separable(width: int, side: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (side - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(width, width, side, stride, padding, dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width, affine=affine),
    ]


def _operation(name: str, width: int, stride: int, form: Form) -> nn.Module:
    side = int(name[-1]) if name[-1].isdigit() else 0
    if name == NONE:
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(width, width, form.affine)
    if name.startswith("sep_conv"):
        return SepConv(width, side, stride, form.affine)
    if name.startswith("dil_conv"):
        return DilConv(width, side, stride, form.affine)
    pool: nn.Module = (
        nn.MaxPool2d(side, stride, padding=1)
        if name.startswith("max")
        else nn.AvgPool2d(side, stride, padding=1, count_include_pad=False)
    )
    return nn.Sequential(pool, nn.BatchNorm2d(width, affine=False)) if form.pool_norm else pool


class CellModule(nn.Module):
    """A cell: each node is the sum of two operations on states before it."""

    def __init__(self, cell: Cell, layout: Layout, form: Form) -> None:
        super().__init__()
        width, (earlier, last) = layout.channels, layout.before
        self.preprocess0 = (
            FactorizedReduce(earlier, width, affine=True)
            if layout.after_reduction
            else ReLUConvBN(earlier, width)
        )
        self.preprocess1 = ReLUConvBN(last, width)
        self.states = [state for _, state in cell.edges]
        self.concat = cell.concat
        self.operations = nn.ModuleList(
            _operation(name, width, 2 if layout.reduction and state < 2 else 1, form)
            for name, state in cell.edges
        )

    def forward(self, earlier: Tensor, last: Tensor) -> Tensor:
        """Return the output, (B, nodes · width, y, x), of those of the two cells before."""
        states = [self.preprocess0(earlier), self.preprocess1(last)]
        for place in range(0, len(self.states), 2):
            one, other = (
                self.operations[edge](states[self.states[edge]]) for edge in (place, place + 1)
            )
            states.append(one + other)
        return torch.cat([states[state] for state in self.concat], dim=1)


class CellNetwork(nn.Module):
    """A network of DARTS cells; takes images, (B, 3, y, x), and returns logits, (B, classes)."""

    def __init__(self, genotype: Genotype, form: Form, classes: int) -> None:
        super().__init__()
        stem = STEM_MULTIPLIER * form.channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem)
        )
        self.cells = nn.ModuleList(
            CellModule(genotype.reduce if layout.reduction else genotype.normal, layout, form)
            for layout in layouts(form, genotype)
        )
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(output_channels(form, genotype), classes)

    @property
    def blocks_end(self) -> tuple[str, ...]:
        """Names of the stem and the cells."""
        return ("stem", *(f"cells.{place}" for place in range(len(self.cells))))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        earlier = last = self.stem(images)
        for cell in self.cells:
            earlier, last = last, cell(earlier, last)
        logits: Tensor = self.classifier(self.global_pooling(last).flatten(1))
        return logits
