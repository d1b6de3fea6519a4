"""Parameters and operations of a network of NDS, counted without building it.

The official files state both of every network. Parameters are the network's own. Operations are
counted as the files count them, found out from the four entries that NNI's documentation prints
(microsoft/nni, docs/en_US/NAS/BenchmarksExample.ipynb), which these rules give to the last digit:

* multiply-adds of convolutions and of the classifier, its bias included;
* of stages, five for each element that is normalised;
* of cells, one for each element that goes into a ReLU, the window for each element of an average
  pooling's output and one for each element of the global one; and a depthwise convolution with
  dilation counts as if its output had the size that it would have without dilation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trainfree.spaces.nds.networks import Cell, CellNetwork, Network, StagedNetwork

AUXILIARY_CHANNELS = (128, 768)


@dataclass
class Counts:
    """Parameters and operations counted so far.

    Attributes
    ----------
    parameters
        Trained weights.
    multiplications
        Multiply-adds of convolutions and the classifier.
    normalised, rectified, pooled
        Elements that are normalised, go into a ReLU, and are added up by average poolings.
    max_pooled
        Elements compared by max poolings; whether the files count them is not known.
    """

    parameters: int = 0
    multiplications: int = 0
    normalised: int = 0
    rectified: int = 0
    pooled: int = 0
    max_pooled: int = 0

    def convolve(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, int],
        output: tuple[int, int],
        groups: int = 1,
    ) -> None:
        """Count a convolution without bias; ``output`` is the size of its result."""
        weights = kernel[0] * kernel[1] * channels[0] * channels[1] // groups
        self.parameters += weights
        self.multiplications += weights * output[0] * output[1]

    def normalise(self, channels: int, size: int) -> None:
        """Count a batch normalisation of (channels, size, size)."""
        self.parameters += 2 * channels
        self.normalised += channels * size * size

    def rectify(self, channels: int, size: int) -> None:
        """Count a ReLU of (channels, size, size)."""
        self.rectified += channels * size * size

    def classify(self, channels: int, classes: int) -> None:
        """Count a linear layer."""
        self.parameters += (channels + 1) * classes
        self.multiplications += (channels + 1) * classes

    def point(self, channels: tuple[int, int], size: int) -> None:
        """Count a convolution of 1 × 1 pixels and its normalisation."""
        self.convolve(channels, (1, 1), (size, size))
        self.normalise(channels[1], size)


def parameters_of(network: Network, classes: int, *, imagenet: bool = False) -> int:
    """Return the number of trained weights, without those of an auxiliary classifier."""
    return count(network, classes, 224 if imagenet else 32, imagenet=imagenet).parameters


def operations_of(counts: Counts, network: Network) -> int:
    """Return the operations as the official files count them; without max poolings."""
    if isinstance(network, StagedNetwork):
        return counts.multiplications + 5 * counts.normalised
    return counts.multiplications + counts.rectified + counts.pooled


def auxiliary_parameters(network: Network, classes: int, *, imagenet: bool = False) -> int:
    """Return the weights of the auxiliary classifier of DARTS, 0 for a network without one."""
    if isinstance(network, StagedNetwork) or not network.auxiliary:
        return 0
    first, second = AUXILIARY_CHANNELS
    at = 2 * network.depth // 3
    reductions = {network.depth // 3, at}
    channels = network.width << len(reductions)
    found = len(network.reduction.output) * channels * first + 2 * first + 4 * first * second
    normalised = 0 if imagenet else 2 * second
    return found + normalised + (second + 1) * classes


def count(network: Network, classes: int, size: int, *, imagenet: bool = False) -> Counts:
    """Return what a network has and does for one image of ``size`` × ``size`` pixels.

    Parameters
    ----------
    imagenet
        Count the stem that cells have for ImageNet, three strides of two.
    """
    if isinstance(network, StagedNetwork):
        return _count_stages(network, classes, size)
    return _count_cells(network, classes, size, imagenet)


def _count_stages(network: StagedNetwork, classes: int, size: int) -> Counts:
    counts, width = Counts(), network.widths[0]
    size = _strided(size, network.strides[0])
    counts.convolve((3, width), (3, 3), (size, size))
    counts.normalise(width, size)
    for stage in range(1, len(network.depths)):
        out = network.widths[stage]
        for block in range(network.depths[stage]):
            stride = 1 if block else network.strides[stage]
            before, size = size, _strided(size, stride)
            if network.block != "double_plain_block" and (width != out or stride != 1):
                counts.point((width, out), size)
            if network.block == "res_bottleneck_block":
                inner = network.inner_width(stage)
                counts.point((width, inner), before)
                counts.convolve((inner, inner), (3, 3), (size, size), network.groups[stage])
                counts.normalise(inner, size)
                counts.point((inner, out), size)
            else:
                for channels in ((width, out), (out, out)):
                    counts.convolve(channels, (3, 3), (size, size))
                    counts.normalise(out, size)
            width = out
    counts.classify(width, classes)
    return counts


def _strided(size: int, stride: int) -> int:
    return (size - 1) // stride + 1


@dataclass
class _Stack:
    """Where the counting of a stack of cells is."""

    counts: Counts
    size: int
    before: tuple[int, int]
    """Channels of the cell before the last and of the last."""
    halved: bool
    """Whether the last one halved the size."""
    width: int
    reductions: set[int] = field(default_factory=set)


def _count_cells(network: CellNetwork, classes: int, size: int, imagenet: bool) -> Counts:
    counts, width = Counts(), network.width
    if imagenet:
        half, quarter, size = _strided(size, 2), _strided(size, 4), _strided(size, 8)
        for channels, at in (((3, width // 2), half), ((width // 2, width), quarter)):
            counts.convolve(channels, (3, 3), (at, at))
            counts.normalise(channels[1], at)
        counts.rectify(width // 2, half)
        counts.rectify(width, quarter)
        counts.convolve((width, width), (3, 3), (size, size))
        counts.normalise(width, size)
        stem = width
    else:
        stem = 3 * width
        counts.convolve((3, stem), (3, 3), (size, size))
        counts.normalise(stem, size)
    stack = _Stack(counts, size, (stem, stem), imagenet, width)
    stack.reductions = {network.depth // 3, 2 * network.depth // 3}
    for place in range(network.depth):
        reduces = place in stack.reductions
        _count_cell(stack, network.reduction if reduces else network.normal, reduces)
    last = stack.before[1]
    counts.pooled += last * stack.size**2
    counts.classify(last, classes)
    return counts


def _count_cell(stack: _Stack, cell: Cell, reduces: bool) -> None:
    counts, size = stack.counts, stack.size
    if reduces:
        stack.width *= 2
    width = stack.width
    counts.rectify(stack.before[0], 2 * size if stack.halved else size)
    if stack.halved:
        _halve(counts, stack.before[0], width, size)
    else:
        counts.point((stack.before[0], width), size)
    counts.rectify(stack.before[1], size)
    counts.point((stack.before[1], width), size)
    for name, place in zip(cell.operations, cell.inputs, strict=True):
        stride = 2 if reduces and place < 2 else 1
        _count_operation(
            counts, name, width, size if not reduces or place < 2 else size // 2, stride
        )
    if reduces:
        stack.size //= 2
    stack.before = (stack.before[1], len(cell.output) * width)
    stack.halved = reduces


def _halve(counts: Counts, channels: int, out: int, size: int) -> None:
    """Count a factorised reduction to ``size``, without its ReLU."""
    for half in (out // 2, out // 2):
        counts.convolve((channels, half), (1, 1), (size, size))
    counts.normalise(out, size)


def _count_operation(counts: Counts, name: str, width: int, size: int, stride: int) -> None:
    """Count an operation on (width, size, size)."""
    out, kind = _strided(size, stride), name.rpartition("_")[0]
    if name == "none" or (name == "skip_connect" and stride == 1):
        return
    if kind in ("avg_pool", "max_pool"):
        elements = int(name[-1]) ** 2 * width * out * out
        if kind == "avg_pool":
            counts.pooled += elements
        else:
            counts.max_pooled += elements
        return
    counts.rectify(width, size)
    if name == "skip_connect":
        _halve(counts, width, width, out)
    elif kind in ("sep_conv", "dil_conv", "dil_sep_conv"):
        _separable(counts, kind, width, (size, out), (int(name[-1]), stride))
    elif name in ("conv_3x1_1x3", "conv_7x1_1x7"):
        kernel = int(name[5])
        counts.convolve((width, width), (1, kernel), (size, out))
        counts.convolve((width, width), (kernel, 1), (out, out))
        counts.normalise(width, out)
    else:
        kernel = int(name[-1])
        counts.convolve((width, width), (kernel, kernel), (out, out))
        counts.normalise(width, out)


def _separable(
    counts: Counts, kind: str, width: int, sizes: tuple[int, int], of: tuple[int, int]
) -> None:
    """Count depthwise convolutions, each with one of 1 × 1 pixels behind it."""
    size, out = sizes
    kernel, stride = of
    for time in range(1 if kind == "dil_conv" else 2):
        if time:
            counts.rectify(width, out)
            size, stride = out, 1
        # With dilation 2 the margin is twice as wide; the files' size of the output ignores why.
        margin = kernel // 2 * (1 if kind == "sep_conv" else 2)
        told = (size + 2 * margin - kernel) // stride + 1
        counts.convolve((width, width), (kernel, kernel), (told, told), width)
        counts.point((width, width), out)
