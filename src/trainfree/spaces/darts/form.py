"""What is made of two cells: the networks of DARTS, and what they count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainfree.spaces.darts.genotype import NONE, Genotype

STEM_MULTIPLIER = 3
"""The stem is that many times as wide as a node of the first cells."""


@dataclass(frozen=True)
class Form:
    """The network around the cells, for images of CIFAR's size.

    Attributes
    ----------
    cells
        Cells one behind the other; those at one and two thirds halve the image.
    channels
        Of a node of the first cells; each reduction doubles them.
    affine
        Whether batch norms inside operations have weights; those between cells always have.
    pool_norm
        Whether a batch norm without weights follows each pooling.
    """

    cells: int = 20
    channels: int = 36
    affine: bool = True
    pool_norm: bool = False

    @property
    def reductions(self) -> tuple[int, int]:
        """Places of the two cells that halve the image."""
        return self.cells // 3, 2 * self.cells // 3


EVALUATION = Form()
"""The network that DARTS trains at the end (``NetworkCIFAR``), without the auxiliary head."""
SMALL = Form(cells=8, channels=32, affine=False, pool_norm=True)
"""NASLib's for NAS-Bench-301, which NAS-Bench-Suite-Zero scored."""


@dataclass(frozen=True)
class Layout:
    """One cell of a network.

    Attributes
    ----------
    before
        Channels of the outputs of the two cells before, the earlier first.
    channels
        Of its nodes.
    reduction, after_reduction
        Whether it halves the image, and whether the cell before did.
    """

    before: tuple[int, int]
    channels: int
    reduction: bool
    after_reduction: bool


def layouts(form: Form, genotype: Genotype) -> Iterator[Layout]:
    """Yield the cells of a network in their order."""
    stem = STEM_MULTIPLIER * form.channels
    before, channels, after_reduction = (stem, stem), form.channels, False
    for place in range(form.cells):
        reduction = place in form.reductions
        channels *= 2 if reduction else 1
        yield Layout(before, channels, reduction, after_reduction)
        cell = genotype.reduce if reduction else genotype.normal
        before, after_reduction = (before[1], len(cell.concat) * channels), reduction


def output_channels(form: Form, genotype: Genotype) -> int:
    """Return the channels behind the last cell."""
    *_, last = layouts(form, genotype)
    cell = genotype.reduce if last.reduction else genotype.normal
    return len(cell.concat) * last.channels


def parameters(form: Form, genotype: Genotype, classes: int) -> int:
    """Return the number of trained parameters."""
    stem = STEM_MULTIPLIER * form.channels
    total = 27 * stem + 2 * stem
    for layout in layouts(form, genotype):
        width = layout.channels
        total += sum(before * width + 2 * width for before in layout.before)
        cell = genotype.reduce if layout.reduction else genotype.normal
        for operation, state in cell.edges:
            halves = layout.reduction and state < 2
            total += _of_operation(operation, width, halves, form.affine)
    return total + (output_channels(form, genotype) + 1) * classes


def _of_operation(operation: str, width: int, halves: bool, affine: bool) -> int:
    norm = 2 * width if affine else 0
    if operation == "skip_connect":
        return width * width + norm if halves else 0
    if operation == NONE or "pool" in operation:
        return 0
    side = int(operation[-1])
    once = width * side * side + width * width + norm
    return 2 * once if operation.startswith("sep") else once
