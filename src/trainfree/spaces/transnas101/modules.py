"""Heads of the seven tasks and the encoders before them, as torch modules.

All is as published (Duan et al., CVPR 2021, section 3 and its code): the stem divides the image by
four, each module of the skeleton is two cells or two basic blocks. The suite scores the networks
with the head of the classification tasks, which ``skeleton`` beside each space describes as data;
those of the other tasks are no classifiers and are to be had here alone. An encoder's layers draw
their weights as torch does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STEM, MICRO_SKELETON = 64, "41414"
PIECES, SEGMENTS = 3, 17
"""Pieces of a jigsaw puzzle a side, and classes of the semantic segmentation."""
SLOPE = 0.2
"""Of the leaky ReLUs in decoders."""


class ConvBN(nn.Sequential):
    """ReLU, convolution without bias, batch normalisation."""

    def __init__(self, read: int, made: int, kernel: int, stride: int) -> None:
        conv = nn.Conv2d(read, made, kernel, stride, kernel // 2, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(made))


class FactorizedReduce(nn.Module):
    """A skip connection that halves the resolution or changes the channels.

    Half of the channels look at every second pixel from the first one on, half at every second
    from the next one on, beside a row and a column of zeros.
    """

    def __init__(self, read: int, made: int, stride: int) -> None:
        super().__init__()
        self.relu, self.pad = nn.ReLU(), nn.ConstantPad2d((0, 1, 0, 1), 0.0)
        self.even = nn.Conv2d(read, made // 2, 1, stride, bias=False)
        self.odd = nn.Conv2d(read, made - made // 2, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(made)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, made, H / stride, W / stride)."""
        x = self.relu(x)
        shifted = self.pad(x)[:, :, 1:, 1:]
        out: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return out


class Cell(nn.Module):
    """Four nodes, each the sum of what operations make of the nodes before it.

    Edges that carry ``none`` have no module: they add zeros.
    """

    def __init__(self, digits: Sequence[int], read: int, made: int, stride: int) -> None:
        super().__init__()
        self.made, self.stride = made, stride
        self.edges = nn.ModuleDict()
        places = [(target, source) for target in range(1, 4) for source in range(target)]
        for (target, source), code in zip(places, digits, strict=True):
            if code:
                reads, step = (read, stride) if source == 0 else (made, 1)
                self.edges[f"{target}<-{source}"] = _operation(code, reads, made, step)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, made, H / stride, W / stride)."""
        batch, _, height, width = x.shape
        nodes = [x]
        for target in range(1, 4):
            names = ((source, f"{target}<-{source}") for source in range(target))
            made = [self.edges[name](nodes[at]) for at, name in names if name in self.edges]
            if made:
                nodes.append(sum(made[1:], start=made[0]))
            else:
                size = (-(-height // self.stride), -(-width // self.stride))
                nodes.append(x.new_zeros((batch, self.made, *size)))
        return nodes[-1]


class BasicBlock(nn.Module):
    """Two times ReLU, convolution and batch normalisation, beside what changes the shape."""

    def __init__(self, read: int, made: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = ConvBN(read, made, 3, stride), ConvBN(made, made, 3, 1)
        changes = stride != 1 or read != made
        conv = nn.Conv2d(read, made, 1, stride, bias=False)
        self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(made)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, made, H / stride, W / stride)."""
        out: Tensor = self.shortcut(x) + self.second(self.first(x))
        return out


class Encoder(nn.Sequential):
    """Stem and modules of a skeleton.

    Parameters
    ----------
    skeleton
        A code for each module; see :mod:`trainfree.spaces.transnas101.macro.space`.
    digits
        The cell that modules are made of; basic blocks without one.

    Attributes
    ----------
    channels
        Of the output.
    halvings
        How often the modules halve the resolution, after the stem has done so twice.
    """

    def __init__(self, skeleton: str, digits: Sequence[int] | None = None) -> None:
        half = STEM // 2
        first = nn.Conv2d(3, half, 3, 2, 1, bias=False)
        stem = nn.Sequential(first, nn.BatchNorm2d(half), ConvBN(half, STEM, 3, 2))
        layers, channels, halvings = [stem], STEM, 0
        for code in skeleton:
            read, stride = channels, 2 if code in "34" else 1
            channels *= 2 if code in "24" else 1
            halvings += stride - 1
            blocks = [_block(digits, read, channels, stride), _block(digits, channels, channels, 1)]
            layers.append(nn.Sequential(*blocks))
        super().__init__(*layers)
        self.channels, self.halvings = channels, halvings


class Classifier(nn.Module):
    """Encoder, mean over all pixels, one linear layer: scene, object and room layout."""

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.encoder, self.pool = encoder, nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(encoder.channels, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, outputs) of images (B, 3, H, W)."""
        out: Tensor = self.fc(self.pool(self.encoder(images)).flatten(1))
        return out


class Siamese(nn.Module):
    """The jigsaw puzzle: nine pieces through one encoder, their features in one linear layer.

    The published network takes the pieces one beside the other, (B, 9, 3, 64, 64); here they are
    cut from the image, row by row, of which they are the thirds.
    """

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.encoder, self.pool = encoder, nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(PIECES**2 * encoder.channels, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, outputs) of images (B, 3, H, W), H and W multiples of three."""
        rows = (strip.chunk(PIECES, dim=3) for strip in images.chunk(PIECES, dim=2))
        pieces = [self.encoder(piece) for row in rows for piece in row]
        out: Tensor = self.fc(self.pool(torch.cat(pieces, dim=1)).flatten(1))
        return out


class Dense(nn.Module):
    """Encoder and decoder: an image in, maps of its height and width out."""

    def __init__(self, encoder: Encoder, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, maps · H · W) of images (B, 3, H, W)."""
        maps: Tensor = self.decoder(self.encoder(images))
        return maps.flatten(1)


def micro_encoder(digits: Sequence[int]) -> Encoder:
    """Return the encoder of a cell, given by its operation codes."""
    return Encoder(MICRO_SKELETON, digits)


def classifier(encoder: Encoder, outputs: int) -> Classifier:
    """Return an encoder with the head of the classification tasks and of room layout."""
    return Classifier(encoder, outputs)


def segmentation_decoder(encoder: Encoder) -> nn.Sequential:
    """Return the decoder of semantic segmentation, to 17 maps: five or more layers that widen."""
    upsamplings, channels = encoder.halvings + 2, 1024
    layers: list[nn.Module] = [_layer(encoder.channels, channels)]
    for place in range(5):
        up = place >= 6 - upsamplings
        layers.append(_layer(channels, channels // 2, up=up))
        channels //= 2
    layers += [_layer(channels, channels, up=True), nn.Conv2d(channels, SEGMENTS, 3, 1, 1)]
    return nn.Sequential(*layers)


def generative_decoder(encoder: Encoder) -> nn.Sequential:
    """Return the decoder of surface normals and of the autoencoder, to three maps in ±1."""
    upsamplings = encoder.halvings + 2
    layers, channels = [_layer(encoder.channels, 1024), _layer(1024, 1024)], 1024
    for fewest, made, then in ((6, 512, 512), (5, 256, 128), (4, 64, 64), (3, 32, 32)):
        layers += [_layer(channels, made, up=upsamplings >= fewest), _layer(made, then)]
        channels = then
    layers += [_layer(32, 16, up=True), _layer(16, 32), _layer(32, 16, up=True)]
    layers.append(nn.Sequential(nn.Conv2d(16, 3, 3, 1, 1), nn.Tanh()))
    return nn.Sequential(*layers)


def _operation(code: int, read: int, made: int, stride: int) -> nn.Module:
    if code == 1:
        same = stride == 1 and read == made
        return nn.Identity() if same else FactorizedReduce(read, made, stride)
    return ConvBN(read, made, 1 if code == 2 else 3, stride)


def _block(digits: Sequence[int] | None, read: int, made: int, stride: int) -> nn.Module:
    if digits is None:
        return BasicBlock(read, made, stride)
    return Cell(digits, read, made, stride)


def _layer(read: int, made: int, up: bool = False) -> nn.Sequential:
    """Return a layer of a decoder: convolution, or transposed one that doubles the resolution."""
    conv = (
        nn.ConvTranspose2d(read, made, 3, 2, 1, output_padding=1)
        if up
        else nn.Conv2d(read, made, 3, 1, 1)
    )
    return nn.Sequential(conv, nn.BatchNorm2d(made), nn.LeakyReLU(SLOPE))
